#include <algorithm>

#include "observe/report.h"
#include "observe/symbols.h"

namespace weft::observe {
namespace {

// sequence_at: how many bytes the UTF-8 character at the beginning has; 0: it is none (RFC 3629).
std::size_t sequence_at(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;    // longer than it need be
    return first == 0xed && byte(1) >= 0xa0 ? 0 : 3;  // or half of a pair
  }
  if (first < 0xf0 || first > 0xf4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  return first == 0xf4 && byte(1) >= 0x90 ? 0 : 4;
}

// write_string: quoted (RFC 8259, 7). Bytes that are no text become U+FFFD.
void write_string(out& to, std::string_view text) {
  to << '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    std::size_t n = sequence_at(text);
    if (n == 0) {
      to << "\\ufffd";
      n = 1;
    } else if (c < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      to << "\\u00" << digits[c >> 4] << digits[c & 15];
    } else if (c == '"' || c == '\\') {
      to << '\\' << text[0];
    } else {
      to << text.substr(0, n);
    }
    text.remove_prefix(n);
  }
  to << '"';
}

void write_text_field(out& to, std::string_view key, std::string_view text) {
  to << ",\"" << key << "\":";
  write_string(to, text);
}

void write_address_field(out& to, std::string_view key, const void* address) {
  (to << ",\"" << key << "\":\"").address(address) << '"';
}

void write_site(out& to, const kind& k) {
  to << "\"created_by\":{\"line\":" << k.site_line;
  write_text_field(to, "function", k.site_function);
  write_text_field(to, "file", k.site_file);
  to << '}';
}

void write_labels(out& to, const snapshot& all, const seen& s) {
  to << ",\"labels\":{";
  const char* between = "";
  sched::label_set::for_each(all.labels[s.labels], [&](const char* key, const char* value) {
    to << between;
    write_string(to, key);
    to << ':';
    write_string(to, value);
    between = ",";
  });
  to << '}';
}

void write_holder(out& to, const snapshot& all, const seen& s) {
  to << ",\"holder\":";
  const seen* by = all.holder_of(s);
  if (by == nullptr) {
    to << (s.held_by == holder_is::ended ? "{\"ended\":true}" : "null");
    return;
  }
  to << "{\"number\":" << by->id;
  if (by->name[0] != '\0') write_text_field(to, "name", by->name.data());
  to << '}';
}

void write_member(out& to, const snapshot& all, const kind& k, const seen& s, bool sizes) {
  to << "{\"number\":" << s.id;
  if (s.name[0] != '\0') write_text_field(to, "name", s.name.data());
  if (s.labels != none) write_labels(to, all, s);
  if (s.thread != 0) to << ",\"thread\":" << s.thread;
  if (s.locked) to << ",\"locked_to_thread\":true";
  if (k.waits) {
    if (s.object != nullptr) write_address_field(to, "object", s.object);
    if (s.held_by != holder_is::nobody) write_holder(to, all, s);
    if (s.since_ns > 0)
      to << ",\"waits_ns\":" << std::max<std::int64_t>(all.now_ns - s.since_ns, 0);
    if (s.judged != verdict::unknown) {
      write_text_field(to, "verdict", text_of(s.judged));
      write_text_field(to, "why", s.why);
    }
    if (sizes)
      to << ",\"stack_used\":" << s.stack_used << ",\"stack_in_memory\":" << s.stack_touched;
  }
  to << '}';
}

void write_stack(out& to, const kind& k, symbols& names) {
  to << ",\"stack\":[";
  const char* between = "";
  for (const source* s : names.stack(k.stack)) {
    to << between << "{\"function\":";
    write_string(to, s->function);
    if (!s->file.empty()) {
      write_text_field(to, "file", s->file);
      to << ",\"line\":" << s->line;
    }
    to << '}';
    between = ",";
  }
  to << ']';
  if (k.cut) to << ",\"stack_is_cut\":true";
}

void write_group(out& to, const snapshot& all, const group& g, symbols& names, bool sizes) {
  to << "{\"count\":" << g.count;
  write_text_field(to, "state", g.of.state);
  to << ',';
  write_site(to, g.of);
  write_stack(to, g.of, names);
  to << ",\"members\":[";
  for (std::size_t i = g.first; i < g.first + g.count; ++i) {
    if (i != g.first) to << ",\n";
    write_member(to, all, g.of, all.goroutines[i], sizes);
  }
  to << "]}";
}

void write_sizes(out& to, const snapshot& all) {
  to << ",\"stacks\":[";
  const char* between = "";
  for (const site_sizes& s : sizes_of(all)) {
    to << between << '{';
    write_site(to, *s.of);
    to << ",\"count\":" << s.stacks << ",\"used_most\":" << s.used_most
       << ",\"in_memory_most\":" << s.touched_most << ",\"in_memory\":" << s.touched_all << '}';
    between = ",\n";
  }
  to << ']';
}

}  // namespace

std::string json_of(const snapshot& all, bool stack_sizes) {
  out to;
  symbols names(all.crashed);
  to << "{\"goroutines\":" << all.goroutines.size() << ",\"groups\":[";
  for (std::size_t i = 0; i < all.groups.size(); ++i) {
    if (i != 0) to << ",\n";
    write_group(to, all, all.groups[i], names, stack_sizes);
  }
  to << ']';
  if (stack_sizes) write_sizes(to, all);
  to << "}\n";
  return to.take();
}

}  // namespace weft::observe
