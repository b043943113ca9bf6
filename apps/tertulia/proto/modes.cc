#include "proto/modes.h"

#include <algorithm>

#include "proto/utf8.h"

namespace tertulia::proto {

namespace {

enum class needs { nothing, param, param_to_add, mask, unknown };

needs needs_of(char letter) noexcept {
  switch (letter) {
    case 'o':
    case 'v': return needs::param;
    case 'b': return needs::mask;
    case 'k':
    case 'l': return needs::param_to_add;
    default:
      return channel_flags.find(letter) == channel_flags.npos ? needs::unknown : needs::nothing;
  }
}

// reader: hands out the parameters that follow the letters.
class reader {
 public:
  explicit reader(std::span<const std::string_view> rest) : rest_(rest) {}

  std::string_view take() {
    if (rest_.empty()) return {};
    const std::string_view first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

 private:
  std::span<const std::string_view> rest_;
};

void take_change(char letter, needs what, bool adds, reader& params, int& with_param,
                 mode_request& out) {
  const bool takes_param =
      what != needs::nothing && (adds || what != needs::param_to_add || letter == 'k');
  const std::string_view param = takes_param ? params.take() : std::string_view{};
  if (param.empty()) {
    if (what == needs::mask) {
      out.wants_bans = true;
      return;
    }
    if (what == needs::param || (what == needs::param_to_add && adds)) {
      out.lacks_param = true;
      return;
    }
  }
  if (!param.empty() && ++with_param > modes_max) return;
  out.changes.push_back({letter, adds, param});
}

}  // namespace

mode_request parse_modes(std::span<const std::string_view> params) {
  mode_request out;
  if (params.empty()) return out;
  reader rest(params.subspan(1));
  bool adds = true;
  int with_param = 0;
  for (std::string_view letters = params[0]; !letters.empty();) {
    const std::string_view letter = letters.substr(0, first_size(letters));
    letters.remove_prefix(letter.size());
    const char c = letter[0];
    const needs what = needs_of(c);
    if (c == '+' || c == '-')
      adds = c == '+';
    else if (what != needs::unknown)
      take_change(c, what, adds, rest, with_param, out);
    else if (std::ranges::find(out.unknown, letter) == out.unknown.end())
      out.unknown.push_back(letter);
  }
  return out;
}

}  // namespace tertulia::proto
