#pragma once

// recorder: the rings of all machines, and what has been recorded in them (recorder.cc).

#include <cstdint>
#include <string>
#include <vector>

#include "sched/trace.h"

namespace weft::observe {

// happening: one event as a reader sees it.
struct happening {
  std::int64_t at_ns = 0;  // CLOCK_MONOTONIC
  sched::trace::event what{};
  std::uint64_t goroutine = 0;
  std::uint32_t runtime = 0;
  std::uint32_t detail = 0;
  std::uint32_t thread = 0;  // index in recording::threads
  std::uint64_t order = 0;   // among those of its thread
};

// birth: where a goroutine was started, and how it is called.
struct birth {
  std::uint64_t goroutine = 0;
  std::uint32_t runtime = 0;
  const char* file = "";
  const char* function = "";
  std::uint32_t line = 0;
  std::string name;
};

struct recording {
  struct thread {
    std::uint32_t runtime = 0;  // 0: threads that are no machines
    std::uint32_t machine = 0;
    bool lost = false;  // its oldest events have been overwritten
  };
  std::vector<thread> threads;
  std::vector<happening> events;  // in the order of time
  std::vector<birth> births;
  // Beyond flight_recorder::threads_max: events of threads that got no ring, and those that were
  // overwritten when the ring of a thread that had ended was taken over.
  std::uint64_t missed = 0;
};

// start_recording: its session; 0 and `error` set if it cannot be.
[[nodiscard]] std::uint64_t start_recording(int& error) noexcept;
void stop_recording(std::uint64_t session) noexcept;

// read_recording: what is kept of a session, while it goes on or after; nothing if there was
// another since. `living`: with the births of goroutines that began before.
[[nodiscard]] recording read_recording(std::uint64_t session, bool living);

// asked_recording: while one lives WEFT_TRACE is obeyed, if it is set: from the first on, and
// written at the end of the last. A file that cannot be written ends the process.
class asked_recording {
 public:
  asked_recording();
  ~asked_recording();
  asked_recording(const asked_recording&) = delete;
  asked_recording& operator=(const asked_recording&) = delete;

 private:
  const bool asked_;
};

}  // namespace weft::observe
