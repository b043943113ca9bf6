#pragma once

// trace: what goroutines did, when, on which thread, what they waited for and who ended the wait: a
// file for https://ui.perfetto.dev, which opens it in the browser and sends it nowhere.
//
//   weft::flight_recorder recorder;
//   recorder.start();
//   ...
//   if (something_strange) recorder.write("strange.pftrace");
//
// Or without a change to the program: WEFT_TRACE=FILE in its environment records each weft::run
// from its beginning, and writes FILE at its end, and when the program dies of a panic, a deadlock
// or a fatal error. A file that cannot be written is said, and ends the program, before it begins.

#include <weft/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// flight_recorder: keeps the last events of every thread that runs goroutines: 65,536 of each (16
// bytes an event, so 1 MiB a thread), and of 256 threads; older ones are forgotten. When there are
// more threads, those of the runtime that ended first are forgotten, and then no more are kept; the
// trace says how many events that are. Go's runtime/trace.FlightRecorder.
// One may record at a time in a process; it hears of all runtimes. All functions may be called from
// any thread, and with no runtime there; not from two threads at once for the same object.
class flight_recorder {
 public:
  // events_max, threads_max: what is kept: of each thread; of how many.
  static constexpr std::size_t events_max = 1 << 16;
  static constexpr std::size_t threads_max = 256;
  // tracks_max: goroutines that get a track of their own in what is written: those that did most.
  // All others are to be seen where they ran: on the tracks of machines and processors.
  static constexpr std::size_t tracks_max = 1000;

  flight_recorder() = default;
  flight_recorder(const flight_recorder&) = delete;
  flight_recorder& operator=(const flight_recorder&) = delete;
  // Stops.
  ~flight_recorder();

  // start: from now on events are kept; what was kept before is forgotten. Fails with
  // device_or_resource_busy while another one records (so does WEFT_TRACE), and with
  // not_enough_memory.
  [[nodiscard]] result<void> start();

  // stop: events are kept no more. Those that were can be written until somebody starts again.
  void stop() noexcept;

  // recording: whether start() was, and stop() was not called.
  [[nodiscard]] bool recording() const noexcept { return recording_; }

  // write: makes `path`, or replaces what it holds, with all that is kept, as a trace of Perfetto
  // (a protobuf): up to about 10 MB for a thread whose events are all kept. Recording goes on.
  // Nobody is stopped; the caller is as long as it takes, of a goroutine only its thread. Fails
  // with the errors of open(2) and write(2).
  [[nodiscard]] result<void> write(std::string_view path) const;

  // snapshot: the bytes that write() would write. Names of goroutines' places are read where their
  // code lies: of a library that has been unloaded meanwhile there must be none.
  [[nodiscard]] std::string snapshot() const;

 private:
  std::uint64_t session_ = 0;
  bool recording_ = false;
};

}  // namespace weft
