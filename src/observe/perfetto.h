#pragma once

// perfetto: a trace file of what tracks and events it is told of: the few messages of
// protos/perfetto/trace that say what we have to say.

#include <cstdint>
#include <string>
#include <string_view>

#include "observe/protobuf.h"

namespace weft::observe {

// flows: arrows that leave an event, or end there; 0: none.
struct flows {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

class perfetto_file {
 public:
  // uuid: names a track in the file; not 0.
  using uuid = std::uint64_t;

  // process: the track that all others stand below.
  void process(uuid track, int pid, std::string_view name) {
    message process;
    process.number(1, static_cast<std::uint64_t>(pid)).text(6, name);
    message descriptor;
    descriptor.number(1, track).inner(3, process).number(11, order_explicit);
    put_descriptor(descriptor);
  }
  // track: `rank` is its place among those with the same parent.
  void track(uuid track, uuid parent, std::string_view name, std::uint64_t rank) {
    message descriptor;
    descriptor.number(1, track).text(2, name).number(5, parent);
    descriptor.number(11, order_explicit).number(12, rank);
    put_descriptor(descriptor);
  }

  void begin(uuid track, std::int64_t at_ns, std::string_view name, flows f = {}) {
    put_event(track, at_ns, slice_begin, name, f);
  }
  void end(uuid track, std::int64_t at_ns) { put_event(track, at_ns, slice_end, {}, {}); }
  void instant(uuid track, std::int64_t at_ns, std::string_view name, flows f = {}) {
    put_event(track, at_ns, instant_event, name, f);
  }

  [[nodiscard]] std::string take() noexcept { return file_.take(); }

 private:
  static constexpr std::uint64_t order_explicit = 3;
  static constexpr std::uint64_t slice_begin = 1;
  static constexpr std::uint64_t slice_end = 2;
  static constexpr std::uint64_t instant_event = 3;
  static constexpr std::uint64_t only_sequence = 1;

  void put_descriptor(const message& descriptor) {
    packet_.clear();
    packet_.inner(60, descriptor).number(10, only_sequence);
    file_.inner(1, packet_);
  }
  void put_event(uuid track, std::int64_t at_ns, std::uint64_t type, std::string_view name,
                 flows f) {
    event_.clear();
    event_.number(9, type).number(11, track);
    if (!name.empty()) event_.text(23, name);
    if (f.from != 0) event_.fixed64(47, f.from);
    if (f.to != 0) event_.fixed64(48, f.to);
    packet_.clear();
    packet_.number(8, static_cast<std::uint64_t>(at_ns)).inner(11, event_);
    packet_.number(10, only_sequence);
    file_.inner(1, packet_);
  }

  message file_;
  message packet_;  // here for their memory
  message event_;
};

}  // namespace weft::observe
