#include "proto/chathistory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "proto/message.h"
#include "proto/timestamp.h"

namespace tertulia::proto {

namespace {

struct shape {
  std::string_view name;
  history_command command;
  std::size_t param_count;  // with the subcommand
};

constexpr std::array shapes{
    shape{"LATEST", history_command::latest, 4},   shape{"BEFORE", history_command::before, 4},
    shape{"AFTER", history_command::after, 4},     shape{"AROUND", history_command::around, 4},
    shape{"BETWEEN", history_command::between, 5}, shape{"TARGETS", history_command::targets, 4},
};

std::unexpected<history_mistake> invalid(std::string_view context, std::string_view text) {
  return std::unexpected(history_mistake{"INVALID_PARAMS", context, text});
}

std::expected<history_ref, history_mistake> parse_ref(std::string_view written) {
  history_ref ref;
  ref.written = written;
  if (written.starts_with("timestamp=")) {
    const auto time_ms = parse_timestamp(written.substr(10));
    if (!time_ms) return invalid(written, "Invalid timestamp");
    ref.what = history_ref::kind::timestamp;
    ref.time_ms = *time_ms;
    return ref;
  }
  if (written.starts_with("msgid=")) {
    const auto id = parse_msgid(written.substr(6));
    if (!id) return invalid(written, "Unknown msgid");
    ref.what = history_ref::kind::msgid;
    ref.id = *id;
    return ref;
  }
  return std::unexpected(
      history_mistake{"INVALID_MSGREFTYPE", written, "Unknown type of message reference"});
}

std::optional<int> parse_limit(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && !text.starts_with('-')) return INT32_MAX;
  if (error != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

// parse_refs: those of `request`, out of the parameters between target and limit.
std::optional<history_mistake> parse_refs(std::span<const std::string_view> refs,
                                          history_request& request) {
  if (request.command == history_command::latest && refs[0] == "*") return std::nullopt;
  auto first = parse_ref(refs[0]);
  if (!first) return first.error();
  request.first = *first;
  if (refs.size() == 1) return std::nullopt;
  auto second = parse_ref(refs[1]);
  if (!second) return second.error();
  request.second = *second;
  if (request.command == history_command::targets &&
      (first->what != history_ref::kind::timestamp || second->what != history_ref::kind::timestamp))
    return history_mistake{"INVALID_PARAMS", refs[0], "TARGETS takes timestamps"};
  return std::nullopt;
}

}  // namespace

std::expected<history_request, history_mistake> parse_history(
    std::span<const std::string_view> params) {
  if (params.empty()) return invalid("", "Insufficient parameters");
  const auto found =
      std::ranges::find_if(shapes, [&](const shape& s) { return is_command(params[0], s.name); });
  if (found == shapes.end()) return invalid("", "Unknown command");
  if (params.size() < found->param_count) return invalid("", "Insufficient parameters");
  history_request request;
  request.command = found->command;
  const bool has_target = found->command != history_command::targets;
  if (has_target) request.target = params[1];
  const std::size_t first_ref = has_target ? 2 : 1;
  const auto refs = params.subspan(first_ref, found->param_count - 1 - first_ref);
  if (const auto mistake = parse_refs(refs, request)) return std::unexpected(*mistake);
  const auto limit = parse_limit(params[found->param_count - 1]);
  if (!limit) return invalid(params[found->param_count - 1], "Invalid limit");
  request.limit = *limit;
  return request;
}

}  // namespace tertulia::proto
