#pragma once

// log: one event a line on standard error, as key=value pairs or JSON:
//
//   ts=2026-11-22T16:30:00.123Z level=info event=client_gone client=7 reason="Quit: bye"
//
// What clients wrote appears only as escaped values. Any goroutine or thread may log.

#include <initializer_list>
#include <string>
#include <string_view>

namespace tertulia {

// log_field: a key and its value; numbers are written as text.
struct log_field {
  std::string_view key;
  std::string value;

  log_field(std::string_view k, std::string_view v) : key(k), value(v) {}
  log_field(std::string_view k, long long v) : key(k), value(std::to_string(v)) {}
};

// start_log: from now on lines of at least `level` ("debug" to "off") are written in `format`
// ("logfmt" or "json").
void start_log(const std::string& level, const std::string& format);

void log_debug(std::string_view event, std::initializer_list<log_field> fields = {});
void log_info(std::string_view event, std::initializer_list<log_field> fields = {});
void log_warn(std::string_view event, std::initializer_list<log_field> fields = {});
void log_error(std::string_view event, std::initializer_list<log_field> fields = {});

// format_logfmt / format_json: the line for one event, without its time and end; for tests too.
[[nodiscard]] std::string format_logfmt(std::string_view level, std::string_view event,
                                        std::initializer_list<log_field> fields);
[[nodiscard]] std::string format_json(std::string_view level, std::string_view event,
                                      std::initializer_list<log_field> fields);

}  // namespace tertulia
