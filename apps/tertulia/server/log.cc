#include "server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "proto/chars.h"
#include "proto/timestamp.h"
#include "server/wall_clock.h"

namespace tertulia {

namespace {

// Set once by start_log, before the first goroutine.
bool json_lines = false;

void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (proto::is_control(c)) {
      std::array<char, 8> buf;
      std::snprintf(buf.data(), buf.size(), "\\u%04x", static_cast<unsigned>(c) & 0xFFU);
      out += buf.data();
    } else {
      out += c;
    }
  }
  out += '"';
}

bool needs_quotes(std::string_view value) {
  return value.empty() || std::ranges::any_of(value, [](char c) {
           return c == ' ' || c == '"' || c == '=' || c == '\\' || proto::is_control(c);
         });
}

void append_pair(std::string& out, std::string_view key, std::string_view value) {
  out.append(" ").append(key).append("=");
  if (needs_quotes(value))
    append_quoted(out, value);
  else
    out += value;
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ',';
  append_quoted(out, key);
  out += ':';
  append_quoted(out, value);
}

void write(spdlog::level::level_enum level, std::string_view event,
           std::initializer_list<log_field> fields) {
  if (!spdlog::should_log(level)) return;
  const auto name = spdlog::level::to_string_view(level);
  const std::string_view level_name(name.data(), name.size());
  const std::string when = proto::format_timestamp(wall_ms());
  const std::string line =
      json_lines ? "{\"ts\":\"" + when + "\"" + format_json(level_name, event, fields) + "}"
                 : "ts=" + when + format_logfmt(level_name, event, fields);
  spdlog::log(level, "{}", line);
}

}  // namespace

void start_log(const std::string& level, const std::string& format) {
  json_lines = format == "json";
  auto logger = std::make_shared<spdlog::logger>("tertuliad",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

std::string format_logfmt(std::string_view level, std::string_view event,
                          std::initializer_list<log_field> fields) {
  std::string out;
  append_pair(out, "level", level);
  append_pair(out, "event", event);
  for (const auto& f : fields) append_pair(out, f.key, f.value);
  return out;
}

std::string format_json(std::string_view level, std::string_view event,
                        std::initializer_list<log_field> fields) {
  std::string out;
  append_member(out, "level", level);
  append_member(out, "event", event);
  for (const auto& f : fields) append_member(out, f.key, f.value);
  return out;
}

void log_debug(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::debug, event, fields);
}
void log_info(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::info, event, fields);
}
void log_warn(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::warn, event, fields);
}
void log_error(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::err, event, fields);
}

}  // namespace tertulia
