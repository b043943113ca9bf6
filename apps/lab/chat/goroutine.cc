// goroutine: what the process cluster does (cluster.cc), said with goroutines. A member's receiving
// goroutine appends to the file and notifies a condition; its sending one waits for that condition
// and sends what is new. What the file lock was for is a mutex around the end of the file: what
// stands before that never changes, and is read without one.

#include "chat/goroutine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/io.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/runtime.h>
#include <weft/wait_group.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "chat/key.h"
#include "chat/lines.h"
#include "serve/socket.h"

namespace lab::chat {

namespace {

using namespace std::chrono_literals;

constexpr auto key_time = 1s;
constexpr std::size_t read_max = 4096;

class room {
 public:
  explicit room(const goroutine_options& o)
      : file_(::open(o.file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0660)),
        most_(o.file_max) {
    if (file_ < 0) throw std::runtime_error(o.file + ": " + std::strerror(errno));
    size_ = ::lseek(file_, 0, SEEK_END);
    char last = '\n';
    if (size_ > 0 && ::pread(file_, &last, 1, size_ - 1) == 1 && last != '\n') append({"\n", 1});
  }

  // append: all of `lines`, or none.
  bool append(std::span<const char> lines) {
    const std::scoped_lock hold(end_);
    const auto after = size_ + static_cast<off_t>(lines.size());
    if (after > most_) return false;
    if (!write_all(file_, lines)) {
      static_cast<void>(::ftruncate(file_, size_) == 0);
      return false;
    }
    size_ = after;
    grown_.notify_all();
    return true;
  }

  // read: what stands at `offset`; waits until there is something. Nothing when `until` is done.
  std::size_t read(off_t offset, std::span<char> into, const weft::context& until) {
    {
      std::unique_lock hold(end_);
      if (!grown_.wait(hold, [&] { return size_ > offset; }, until)) return 0;
    }
    const auto n = ::pread(file_, into.data(), into.size(), offset);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  off_t replay_offset() {
    std::array<char, replay_bytes> tail;
    off_t size = 0;
    {
      const std::scoped_lock hold(end_);
      size = size_;
    }
    const off_t begin = std::max<off_t>(0, size - static_cast<off_t>(tail.size()));
    const auto n = ::pread(file_, tail.data(), static_cast<std::size_t>(size - begin), begin);
    if (n < 0) return size;
    const auto start = replay_start({tail.data(), static_cast<std::size_t>(n)}, begin == 0);
    return begin + static_cast<off_t>(start);
  }

 private:
  int file_;
  off_t most_;
  weft::mutex end_;  // guards size_ and what is behind it
  weft::cond grown_;
  off_t size_ = 0;
};

void send(weft::net::conn& member, room& here, const weft::context& until) {
  std::array<char, read_max> buffer;
  for (off_t offset = here.replay_offset();;) {
    const auto n = here.read(offset, buffer, until);
    if (n == 0 || !member.write({buffer.data(), n}, until)) return;
    offset += static_cast<off_t>(n);
  }
}

void receive(weft::net::conn& member, room& here) {
  line_gatherer gathered;
  std::array<char, read_max> buffer;
  for (;;) {
    const auto n = member.read(buffer);
    const auto lines = n ? gathered.add({buffer.data(), *n}) : gathered.rest();
    if (!lines.empty() && !here.append(lines)) return;
    if (!n) return;
  }
}

void serve_member(weft::net::conn member, room& here, const std::string& key) {
  std::array<char, key_size> given;
  if (!weft::read_exactly(member, given, key_time) || !same_key(given, key)) return;
  const auto [present, leave] = weft::with_cancel(weft::context::background());
  weft::wait_group sending;
  sending.go([&member, &here, &until = present] { send(member, here, until); });
  receive(member, here);
  leave();
  static_cast<void>(sending.wait());
}

}  // namespace

void serve_goroutines(const goroutine_options& o) {
  room here(o);
  weft::main([&] {
    const bool v6 = o.listen.host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + o.listen.host + "]" : o.listen.host;
    auto listener = weft::net::listen(family_name(o.listen.network),
                                      host + ":" + std::to_string(o.listen.port));
    if (!listener) {
      std::fprintf(stderr, "lab: %s\n", listener.error().message().c_str());
      return 1;
    }
    announce(o.listen.host, port_of(listener->native_handle()));
    while (auto member = listener->accept())
      weft::go([m = std::move(*member), &here, &o]() mutable {
        serve_member(std::move(m), here, o.key);
      });
    return 1;
  });
}

}  // namespace lab::chat
