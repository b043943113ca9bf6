#include "proto/modes.h"

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

void take_change(char letter, bool adds, reader& params, int& with_param, mode_request& out) {
  const needs what = needs_of(letter);
  if (what == needs::unknown) return out.unknown.push_back(letter);
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
  for (const char c : params[0]) {
    if (c == '+' || c == '-')
      adds = c == '+';
    else
      take_change(c, adds, rest, with_param, out);
  }
  return out;
}

}  // namespace tertulia::proto
