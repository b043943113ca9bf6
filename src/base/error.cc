#include <weft/error.h>

#include <algorithm>
#include <cctype>
#include <cstring>

namespace weft {
namespace {

class category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "weft"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::eof: return "end of stream";
      case errc::unexpected_eof: return "unexpected EOF";
      case errc::closed: return "closed";
      case errc::timeout: return "deadline exceeded";
      case errc::cancelled: return "cancelled";
      case errc::line_too_long: return "line too long";
      case errc::no_such_host: return "no such host";
      case errc::try_again_later: return "temporary failure in name resolution";
      case errc::unknown_network: return "unknown network";
      case errc::bad_address: return "bad address";
      case errc::wrong_runtime: return "belongs to another runtime, or to one that has ended";
    }
    return "error " + std::to_string(value);
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
      case errc::timeout: return std::errc::timed_out;
      case errc::cancelled: return std::errc::operation_canceled;
      default: return {value, *this};
    }
  }
};

// text_of: the code in words. Whoever closed something that has an address closed a connection or a
// listener, and gets Go's sentence for it. Texts of the C library start with a capital, ours stand
// behind a colon; an acronym ("RPC ...") keeps its capitals.
std::string text_of(std::error_code code, bool has_address) {
  if (code == errc::closed && has_address) return "use of closed network connection";
  std::string text = code.message();
  const auto is_upper = [&](std::size_t i) {
    return i < text.size() && std::isupper(static_cast<unsigned char>(text[i])) != 0;
  };
  if (is_upper(0) && !is_upper(1)) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace

const std::error_category& weft_category() noexcept {
  static const category instance;
  return instance;
}

error::error(std::error_code code, const char* op, std::string_view address) noexcept
    : code_(code), op_(op) {
  const auto n = std::min(address.size(), address_max);
  if (n != 0) std::memcpy(address_, address.data(), n);
}

std::string error::message() const {
  std::string text = op();
  if (address_[0] != '\0') {
    if (!text.empty()) text += ' ';
    text += address_;
  }
  if (!text.empty()) text += ": ";
  return text + text_of(code_, address_[0] != '\0');
}

}  // namespace weft
