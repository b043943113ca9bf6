// dump_server: a thread, which waits for somebody to connect or for its end, and answers one client
// after the other. It uses blocking calls and no goroutine: it answers also where nothing else goes
// on.

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/dump.h>
#include <weft/go.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/futex.h"
#include "sched/environment.h"
#include "sched/inspect.h"

namespace weft {
namespace {

constexpr int patience_ms = 200;  // for a client's first line
constexpr int backlog = 16;
constexpr int slow_ms = 5'000;   // without reading anything of an answer
constexpr int shortage_ms = 50;  // until it is tried again
constexpr std::size_t request_max = 4096;

// descriptor: closed at the end.
class descriptor {
 public:
  explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

// connection: with a client, until the server ends.
struct connection {
  int client;
  int stop;

  // ready: waits until the client is, for `events`; false if it is not within that time, or the
  // server ends.
  [[nodiscard]] bool ready(short events, int timeout_ms) const noexcept {
    std::array<pollfd, 2> waits{pollfd{.fd = stop, .events = POLLIN, .revents = 0},
                                pollfd{.fd = client, .events = events, .revents = 0}};
    int n = 0;
    do {
      n = ::poll(waits.data(), waits.size(), timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0 && waits[0].revents == 0;
  }
};

struct request {
  bool http = false;
  dump_options options;
};

// request_from: `line` as dump.h says.
request request_from(std::string_view line) {
  const auto has = [&](std::string_view word) { return line.find(word) != std::string_view::npos; };
  request r;
  r.http = line.starts_with("GET ");
  if (r.http) line = line.substr(0, line.find(" HTTP/"));
  if (has("json")) r.options.format = dump_format::json;
  r.options.stack_sizes = has("stacks");
  return r;
}

// read_request: what comes until there is a line, the client's end, or no patience left. Of HTTP
// the whole head, so that nothing is left unread when we close.
request read_request(const connection& c) {
  std::string text;
  const auto whole = [&] {
    return text.find(text.starts_with("GET ") ? "\r\n\r\n" : "\n") != std::string::npos;
  };
  while (!whole() && text.size() < request_max && c.ready(POLLIN, patience_ms)) {
    std::array<char, 512> chunk;
    const auto n = ::recv(c.client, chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return request_from(std::string_view(text).substr(0, text.find('\n')));
}

// send_all: or less, to who has gone or does not read.
void send_all(const connection& c, std::string_view text) noexcept {
  while (!text.empty() && c.ready(POLLOUT, slow_ms)) {
    const auto n = ::send(c.client, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string http_head(const request& asked, std::size_t size) {
  const bool json = asked.options.format == dump_format::json;
  return std::string("HTTP/1.1 200 OK\r\nContent-Type: ") +
         (json ? "application/json" : "text/plain; charset=utf-8") +
         "\r\nContent-Length: " + std::to_string(size) + "\r\nConnection: close\r\n\r\n";
}

void answer(const connection& c) noexcept {
  try {
    const auto asked = read_request(c);
    const auto body = dump(asked.options);
    if (asked.http) send_all(c, http_head(asked, body.size()));
    send_all(c, body);
  } catch (const std::bad_alloc&) {
    send_all(c, "weft: no memory for a dump\n");
  }
}

std::unexpected<error> failed(int number, std::string_view path) {
  return std::unexpected(
      error(std::error_code(number, std::system_category()), "dump_server", path));
}

// somebody_answers: at the socket that is there.
bool somebody_answers(const sockaddr_un& at) noexcept {
  const descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return true;
  return errno != ECONNREFUSED;
}

// is_shortage: of means that others may give back.
bool is_shortage(int number) noexcept {
  return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
}

// bind_private: with mode 0600 from the first moment: the mode of a socket's file is the
// descriptor's at bind(2), umask aside, which belongs to the process.
int bind_private(int fd, const sockaddr_un& at) noexcept {
  if (::fchmod(fd, 0600) != 0) return errno;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return errno;
  return ::chmod(at.sun_path, 0600) != 0 ? errno : 0;
}

// remove_stale: 0 if the way is free now.
int remove_stale(const sockaddr_un& at) noexcept {
  struct stat there{};
  if (::lstat(at.sun_path, &there) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(there.st_mode)) return EEXIST;
  if (somebody_answers(at)) return EADDRINUSE;
  return ::unlink(at.sun_path) == 0 || errno == ENOENT ? 0 : errno;
}

}  // namespace

struct dump_server::state {
  std::string path;
  descriptor listener;
  descriptor stop;  // an eventfd
  struct stat file{};
  base::atomic<std::uint32_t> ended{0};

  static void serve(void* raw);
};

void dump_server::state::serve(void* raw) {
  sched::take_no_signals();
  auto& s = *static_cast<state*>(raw);
  bool short_of_means = false;
  for (;;) {
    std::array<pollfd, 2> waits{pollfd{.fd = s.stop.get(), .events = POLLIN, .revents = 0},
                                pollfd{.fd = s.listener.get(), .events = POLLIN, .revents = 0}};
    // The listener is ready as long as nobody accepts: then only the end is waited for.
    const nfds_t count = short_of_means ? 1 : waits.size();
    if (::poll(waits.data(), count, short_of_means ? shortage_ms : -1) < 0) continue;  // EINTR
    if (waits[0].revents != 0) break;
    const descriptor client(
        ::accept4(s.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    short_of_means = !client && is_shortage(errno);
    if (client) answer({client.get(), s.stop.get()});
  }
  sched::thread_ends();
  s.ended.store(1,
                base::release);  // release: our last touch but of the word; pairs with ~dump_server
  base::futex_wake(s.ended, 1);
}

dump_server::dump_server(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
dump_server::dump_server(dump_server&&) noexcept = default;

dump_server& dump_server::operator=(dump_server&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

dump_server::~dump_server() {
  if (state_ == nullptr) return;
  // Only what is still ours: somebody may have replaced it.
  struct stat there{};
  if (::lstat(state_->path.c_str(), &there) == 0 && there.st_ino == state_->file.st_ino &&
      there.st_dev == state_->file.st_dev)
    ::unlink(state_->path.c_str());
  const std::uint64_t one = 1;
  const bool told = ::write(state_->stop.get(), &one, sizeof one) == sizeof one;
  WEFT_ASSERT(told, "an eventfd takes a number");
  blocking([&] {
    // acquire: pairs with the store in serve().
    while (state_->ended.load(base::acquire) == 0) base::futex_wait(state_->ended, 0);
  });
}

const std::string& dump_server::path() const noexcept { return state_->path; }

result<dump_server> dump_server::listen(std::string_view path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.empty()) return failed(EINVAL, path);
  if (path.size() >= sizeof at.sun_path) return failed(ENAMETOOLONG, path);
  path.copy(at.sun_path, path.size());
  auto s = std::make_unique<state>();
  s->path = path;
  s->listener = descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  s->stop = descriptor(::eventfd(0, EFD_CLOEXEC));
  if (!s->listener || !s->stop) return failed(errno, path);
  if (const int e = remove_stale(at); e != 0) return failed(e, path);
  if (const int e = bind_private(s->listener.get(), at); e != 0) return failed(e, path);
  if (::lstat(at.sun_path, &s->file) != 0) return failed(errno, path);
  if (::listen(s->listener.get(), backlog) != 0) {
    const int e = errno;
    ::unlink(at.sun_path);
    return failed(e, path);
  }
  sched::thread_begins();
  if (const int e = sched::start_thread(state::serve, s.get()); e != 0) {
    sched::thread_ends();
    ::unlink(at.sun_path);
    return failed(e, path);
  }
  return dump_server(std::move(s));
}

}  // namespace weft
