#pragma once

// What the tests of observe share: a reader of the files, which knows nothing of what writes them.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/sanitizer.h"

namespace weft::observe_test {

constexpr int scaled(int n) {
  if (WEFT_TSAN != 0) return n / 20 + 1;
  if (WEFT_ASAN != 0) return n / 5 + 1;
  return n;
}

// field: of a protobuf message: a number, or bytes.
struct field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;
  std::string_view bytes;
};

inline std::uint64_t take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (int shift = 0; !from.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(from[0]);
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  ADD_FAILURE() << "a number has no end";
  return value;
}

inline std::vector<field> fields_of(std::string_view message) {
  std::vector<field> all;
  while (!message.empty()) {
    const auto key = take_varint(message);
    field f{static_cast<std::uint32_t>(key >> 3), 0, {}};
    std::size_t size = 0;
    switch (key & 7) {
      case 0: f.value = take_varint(message); break;
      case 1: size = 8; break;
      case 2: size = take_varint(message); break;
      default: ADD_FAILURE() << "type " << (key & 7); return all;
    }
    if (size > message.size()) {
      ADD_FAILURE() << "cut off";
      return all;
    }
    f.bytes = message.substr(0, size);
    if ((key & 7) == 1) std::memcpy(&f.value, f.bytes.data(), 8);
    message.remove_prefix(size);
    all.push_back(f);
  }
  return all;
}

struct seen_event {
  std::uint64_t track = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t type = 0;  // 1 begins, 2 ends, 3 instant
  std::string name;
  std::uint64_t flow_from = 0;
  std::uint64_t flow_to = 0;
};

struct seen_trace {
  std::map<std::uint64_t, std::string> tracks;
  std::map<std::uint64_t, std::uint64_t> parents;
  std::vector<seen_event> events;

  // named: how many tracks have `part` in their name.
  [[nodiscard]] std::size_t named(std::string_view part) const {
    std::size_t n = 0;
    for (const auto& [track, name] : tracks) n += name.find(part) != name.npos;
    return n;
  }
  // begun: how many slices and instants of that name.
  [[nodiscard]] std::size_t begun(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& e : events) n += e.type != 2 && e.name == name;
    return n;
  }
  // names_on: of slices, on the one track with `part` in its name.
  [[nodiscard]] std::vector<std::string> names_on(std::string_view part) const {
    std::vector<std::string> names;
    for (const auto& e : events) {
      if (e.type == 1 && tracks.at(e.track).find(part) != std::string::npos)
        names.push_back(e.name);
    }
    return names;
  }
};

// decode: a file, of which all is true that must be of every one: each packet is a track with a
// name, or an event on a track that was said before; time does not go back on a track; slices nest
// and end; arrows end where one began.
inline seen_trace decode(std::string_view file) {
  seen_trace seen;
  std::map<std::uint64_t, std::uint64_t> last;
  std::map<std::uint64_t, int> open;
  std::set<std::uint64_t> arrows;
  for (const field& packet : fields_of(file)) {
    EXPECT_EQ(packet.number, 1U);
    seen_event event;
    bool is_event = false;
    for (const field& f : fields_of(packet.bytes)) {
      if (f.number == 8) event.at_ns = f.value;
      if (f.number == 60) {
        std::uint64_t track = 0;
        std::uint64_t parent = 0;
        std::string name;
        for (const field& d : fields_of(f.bytes)) {
          if (d.number == 1) track = d.value;
          if (d.number == 2) name = d.bytes;
          if (d.number == 5) parent = d.value;
          if (d.number == 3) name = "the process";
        }
        EXPECT_NE(track, 0U);
        EXPECT_FALSE(name.empty());
        EXPECT_TRUE(parent == 0 || seen.tracks.contains(parent)) << name;
        EXPECT_TRUE(seen.tracks.try_emplace(track, name).second) << name << " is there twice";
        seen.parents[track] = parent;
      }
      if (f.number != 11) continue;
      is_event = true;
      for (const field& e : fields_of(f.bytes)) {
        if (e.number == 9) event.type = e.value;
        if (e.number == 11) event.track = e.value;
        if (e.number == 23) event.name = e.bytes;
        if (e.number == 47) event.flow_from = e.value;
        if (e.number == 48) event.flow_to = e.value;
      }
    }
    if (!is_event) continue;
    EXPECT_TRUE(seen.tracks.contains(event.track));
    EXPECT_GE(event.at_ns, last[event.track]);
    last[event.track] = event.at_ns;
    EXPECT_EQ(event.name.empty(), event.type == 2);
    if (event.type == 1) ++open[event.track];
    if (event.type == 2) --open[event.track];
    EXPECT_GE(open[event.track], 0);
    if (event.flow_from != 0) arrows.insert(event.flow_from);
    EXPECT_TRUE(event.flow_to == 0 || arrows.contains(event.flow_to));
    seen.events.push_back(std::move(event));
  }
  for (const auto& [track, depth] : open) EXPECT_EQ(depth, 0) << seen.tracks[track];
  return seen;
}

}  // namespace weft::observe_test
