#pragma once

// password: the server's password, kept as a keyed hash. Comparing takes the same time whatever was
// given, so that nothing can be learnt from how long a refusal took.

#include <array>
#include <optional>
#include <string_view>

namespace tertulia {

class password {
 public:
  // An empty text means that there is no password.
  explicit password(std::string_view text);

  [[nodiscard]] bool is_needed() const noexcept { return hash_.has_value(); }
  // matches: whether `given` is it; true when none is needed.
  [[nodiscard]] bool matches(std::string_view given) const;

 private:
  using digest = std::array<unsigned char, 32>;
  [[nodiscard]] digest hash(std::string_view text) const;

  digest key_{};  // random per process
  std::optional<digest> hash_;
};

}  // namespace tertulia
