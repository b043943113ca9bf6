#include "proto/line_writer.h"

#include <array>

#include "proto/limits.h"
#include "proto/message.h"
#include "proto/utf8.h"

namespace tertulia::proto {

line_writer& line_writer::tag(std::string_view key, std::string_view value) {
  out_ += has_tags_ ? ';' : '@';
  has_tags_ = true;
  out_ += key;
  if (value.empty()) return *this;
  out_ += '=';
  append_escaped(out_, value);
  return *this;
}

line_writer& line_writer::raw_tags(std::string_view escaped) {
  if (escaped.empty()) return *this;
  out_ += has_tags_ ? ';' : '@';
  has_tags_ = true;
  out_ += escaped;
  return *this;
}

void line_writer::begin_body() {
  if (in_body_) return;
  if (has_tags_) out_ += ' ';
  body_at_ = out_.size();
  in_body_ = true;
}

line_writer& line_writer::source(std::string_view mask) {
  begin_body();
  out_ += ':';
  out_ += mask;
  out_ += ' ';
  return *this;
}

line_writer& line_writer::command(std::string_view name) {
  begin_body();
  out_ += name;
  return *this;
}

line_writer& line_writer::command(int numeric) {
  const std::array<char, 3> digits{static_cast<char>('0' + numeric / 100),
                                   static_cast<char>('0' + numeric / 10 % 10),
                                   static_cast<char>('0' + numeric % 10)};
  return command(std::string_view(digits.data(), digits.size()));
}

line_writer& line_writer::param(std::string_view word) {
  out_ += ' ';
  out_ += word;
  return *this;
}

line_writer& line_writer::param(long long number) {
  std::array<char, 24> buf;
  const auto end = std::to_chars(buf.data(), buf.data() + buf.size(), number).ptr;
  return param(std::string_view(buf.data(), static_cast<std::size_t>(end - buf.data())));
}

line_writer& line_writer::text(std::string_view last) {
  out_ += " :";
  out_ += last;
  return *this;
}

void line_writer::end() {
  const std::string_view body = std::string_view(out_).substr(body_at_);
  out_.resize(body_at_ + cut_utf8(body, body_size_max).size());
  out_ += "\r\n";
}

}  // namespace tertulia::proto
