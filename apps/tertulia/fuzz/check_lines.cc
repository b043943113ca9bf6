#include "fuzz/check_lines.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "proto/limits.h"
#include "proto/line_buffer.h"
#include "proto/line_writer.h"
#include "proto/message.h"

namespace tertulia::fuzz {

namespace {

using proto::line_event;

void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property does not hold: %s\n", property);
  std::abort();
}

struct event {
  line_event::kind what;
  std::string text;
  friend bool operator==(const event&, const event&) = default;
};

std::vector<event> split(std::string_view stream, std::size_t piece) {
  std::vector<event> out;
  proto::line_buffer buffer;
  while (!stream.empty()) {
    const std::string bytes(stream.substr(0, piece));
    stream.remove_prefix(bytes.size());
    buffer.feed(bytes);
    while (auto e = buffer.next()) out.push_back({e->what, std::string(e->text)});
    require(buffer.carried() <= proto::line_buffer::carry_max, "memory is bounded");
  }
  return out;
}

// check_tags: every tag lies inside the line, and escaping gives back what unescaping made.
void check_tags(std::string_view tags) {
  std::string_view rest = tags;
  while (const auto t = proto::next_tag(rest)) {
    require(!t->key.empty(), "a key is not empty");
    std::string value, wire, again;
    proto::append_unescaped(value, t->value);
    proto::append_escaped(wire, value);
    proto::append_unescaped(again, wire);
    require(value == again, "tag values survive escaping");
  }
  std::string relayed;
  proto::append_client_only_tags(relayed, tags);
  require(relayed.size() <= tags.size(), "relayed tags do not grow");
}

// check_round_trip: a message written from its parts parses to the same parts.
void check_round_trip(const proto::message& m) {
  std::string wire;
  proto::line_writer writer(wire);
  writer.raw_tags(m.tags);
  if (!m.source.empty()) writer.source(m.source);
  writer.command(m.command);
  for (std::size_t i = 0; i < m.param_count; ++i) {
    if (i + 1 == m.param_count)
      writer.text(m.params()[i]);
    else
      writer.param(m.params()[i]);
  }
  writer.end();
  wire.resize(wire.size() - 2);
  const auto again = proto::parse(wire);
  require(again.has_value(), "what is written can be read");
  require(again->command == m.command && again->tags == m.tags, "command and tags survive");
  require(again->param_count == m.param_count, "the number of parameters survives");
  for (std::size_t i = 0; i + 1 < m.param_count; ++i)
    require(again->params()[i] == m.params()[i], "parameters survive");
}

void check_line(std::string_view line) {
  require(line.find('\n') == line.npos, "a line has no LF");
  const auto m = proto::parse(line);
  if (!m) return;
  require(m->param_count <= proto::params_max, "at most 15 parameters");
  check_tags(m->tags);
  check_round_trip(*m);
}

}  // namespace

void check_lines(std::string_view stream) {
  const auto whole = split(stream, stream.size() + 1);
  for (const std::size_t piece : {1UL, 3UL, 509UL})
    require(split(stream, piece) == whole, "how the stream is cut does not matter");
  for (const auto& e : whole) {
    require((e.what == line_event::kind::line) == !e.text.empty(), "only lines have text");
    if (e.what == line_event::kind::line) check_line(e.text);
  }
}

}  // namespace tertulia::fuzz
