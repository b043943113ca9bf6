// flight_recorder: the public side of recorder.cc and timeline.cc, and WEFT_TRACE.

#include <fcntl.h>
#include <unistd.h>
#include <weft/go.h>
#include <weft/trace.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

#include "base/assert.h"
#include "observe/recorder.h"
#include "observe/timeline.h"
#include "sched/trace.h"

namespace weft {
namespace {

int open_to_write(const char* path, int more) noexcept {
  constexpr mode_t everybody = 0666;
  return ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC | more, everybody);
}

// write_file: 0 or an errno.
int write_file(const char* path, std::string_view bytes) noexcept {
  const int fd = open_to_write(path, O_TRUNC);
  if (fd < 0) return errno;
  int wrong = 0;
  while (!bytes.empty() && wrong == 0) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      wrong = errno;
    }
  }
  if (::close(fd) != 0 && wrong == 0) wrong = errno;
  return wrong;
}

constexpr const char* start_op = "start the flight recorder";

}  // namespace

flight_recorder::~flight_recorder() { stop(); }

result<void> flight_recorder::start() {
  int wrong = 0;
  const auto session = observe::start_recording(wrong);
  if (session == 0) return std::unexpected(error::from_errno(wrong, start_op));
  session_ = session;
  recording_ = true;
  return {};
}

void flight_recorder::stop() noexcept {
  if (recording_) observe::stop_recording(session_);
  recording_ = false;
}

std::string flight_recorder::snapshot() const {
  return observe::draw(observe::read_recording(session_, true));
}

result<void> flight_recorder::write(std::string_view path) const {
  const std::string name(path);
  const int wrong = blocking([&] { return write_file(name.c_str(), snapshot()); });
  if (wrong != 0) return std::unexpected(error::from_errno(wrong, "write the trace", path));
  return {};
}

// -- WEFT_TRACE --

namespace observe {
namespace {

// What the environment asks for: several runtimes at once are one recording; it is written when the
// last of them ends. asked_lock is held for all of a beginning and all of an end, writing included.
std::mutex asked_lock;
std::size_t runtimes = 0;                // guarded by asked_lock
std::string asked_file;                  // absolute; written when `runtimes` was 0
base::atomic<std::uint64_t> session{0};  // 0: none could be begun

void write_asked() noexcept {
  // relaxed: the recorder's lock orders the rest.
  const auto bytes = draw(read_recording(session.load(base::relaxed), false));
  if (const int wrong = write_file(asked_file.c_str(), bytes); wrong != 0) {
    base::write_stderr("weft: " + error::from_errno(wrong, "WEFT_TRACE", asked_file).message() +
                       '\n');
  }
}

const char* asked_path() noexcept {
  const char* path = std::getenv("WEFT_TRACE");
  return path != nullptr && *path != '\0' ? path : nullptr;
}

}  // namespace

asked_recording::asked_recording() : asked_(asked_path() != nullptr) {
  if (!asked_) return;
  const std::scoped_lock hold(asked_lock);
  if (runtimes++ != 0) return;
  asked_file = std::filesystem::absolute(asked_path()).string();
  const int fd = open_to_write(asked_file.c_str(), 0);
  int wrong = fd < 0 ? errno : 0;
  if (fd >= 0) ::close(fd);
  if (wrong != 0) base::fatal(error::from_errno(wrong, "WEFT_TRACE", asked_file).message());
  session.store(start_recording(wrong), base::relaxed);  // relaxed: as above
  if (wrong != 0) {
    base::write_stderr("weft: WEFT_TRACE: nothing is recorded: the program records already\n");
    return;
  }
  // release: publishes the session; pairs with the exchange of who dies.
  sched::trace::listeners.at_end.store([]() noexcept { write_asked(); }, base::release);
}

asked_recording::~asked_recording() {
  if (!asked_) return;
  const std::scoped_lock hold(asked_lock);
  if (--runtimes != 0 || session.load(base::relaxed) == 0) return;  // relaxed: under the lock
  // acq_rel: whoever dies meanwhile writes it, or we do.
  if (sched::trace::listeners.at_end.exchange(nullptr, base::acq_rel) == nullptr) return;
  stop_recording(session.load(base::relaxed));  // relaxed: under the lock
  write_asked();
}

}  // namespace observe
}  // namespace weft
