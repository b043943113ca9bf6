#include "poll/poller.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "arch/sanitizer.h"
#include "base/atomic.h"
#include "poll/operation.h"
#include "poll/poll_test.h"

namespace weft::poll {
namespace {

// unique_fd: closes what it holds.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct fd_pair {
  unique_fd a, b;
};

fd_pair make_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0) << std::strerror(errno);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

fd_pair make_socketpair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0)
      << std::strerror(errno);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

struct loopback_listener {
  unique_fd fd;
  sockaddr_in address{};
};

loopback_listener make_listener() {
  loopback_listener l;
  l.fd = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  l.address.sin_family = AF_INET;
  l.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&l.address);
  socklen_t length = sizeof l.address;
  EXPECT_EQ(::bind(l.fd.get(), generic, length), 0);
  EXPECT_EQ(::listen(l.fd.get(), 128), 0);
  EXPECT_EQ(::getsockname(l.fd.get(), generic, &length), 0);
  return l;
}

// make_tcp: a connected pair over loopback, both ends non-blocking.
fd_pair make_tcp() {
  auto l = make_listener();
  unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&l.address), sizeof l.address), 0);
  int fd = -1;
  while ((fd = ::accept4(l.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
    EXPECT_EQ(errno, EAGAIN);
  }
  EXPECT_EQ(::fcntl(client.get(), F_SETFL, O_NONBLOCK), 0);
  const int on = 1;
  ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {unique_fd(fd), std::move(client)};
}

operation read_into(std::span<char> buffer) {
  return {opcode::read, buffer.data(), buffer.size(), 0};
}
operation write_from(std::string_view text) {
  return {opcode::write, const_cast<char*>(text.data()), text.size(), 0};
}

struct backend_case {
  const char* name;
  std::unique_ptr<poller> (*make)();
  access who = access::sole;  // of the descriptors that tests open by a handle
};

class poller_test : public ::testing::TestWithParam<backend_case> {
 protected:
  void SetUp() override {
    if (poller_ == nullptr) GTEST_SKIP() << "the kernel refuses io_uring";
  }

  // handle: an open record, closed and released at the end of its scope.
  class handle {
   public:
    handle(poller& p, int fd, access who = GetParam().who) : poller_(p) {
      int error = 0;
      record_ = p.open(fd, &error, who);
      EXPECT_NE(record_, nullptr) << std::strerror(error);
    }
    ~handle() {
      std::array<completion, 2> evicted;
      poller_.close(*record_, evicted);
      poller_.release(*record_);
    }
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    descriptor& operator*() const { return *record_; }

   private:
    poller& poller_;
    descriptor* record_;
  };

  // collect: waits until `count` completions have come.
  std::vector<completion> collect(std::size_t count) {
    std::vector<completion> all;
    std::array<completion, 8> some;
    while (all.size() < count) {
      const std::size_t n = poller_->wait(some, -1);
      all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
    }
    EXPECT_EQ(all.size(), count);
    return all;
  }

  // nothing_comes: whether a poll finds no completion.
  bool nothing_comes() {
    std::array<completion, 8> some;
    return poller_->wait(some, 0) == 0;
  }

  // run: an operation to its end, as a goroutine would.
  std::int64_t run(descriptor& d, const operation& op) {
    for (;;) {
      const auto r = poller_->start(d, op, cookie{&d, ++ticket_});
      if (!r.pending) return r.result;
      const auto done = collect(1);
      EXPECT_EQ(done[0].who.who, &d);
      EXPECT_EQ(done[0].who.ticket, ticket_);
      EXPECT_EQ(done[0].result, again);
    }
  }

  std::string read_some(descriptor& d, std::size_t size) {
    std::string buffer(size, '\0');
    const auto n = run(d, read_into(buffer));
    EXPECT_GE(n, 0) << std::strerror(static_cast<int>(-n));
    buffer.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return buffer;
  }

  // read_all: until the end of the stream.
  std::string read_all(descriptor& d, std::size_t chunk) {
    std::string all;
    for (;;) {
      const auto part = read_some(d, chunk);
      if (part.empty()) return all;
      all += part;
    }
  }

  void arming_reaches_a_sleeper(fd_pair ends);
  void event_comes_while_arming(fd_pair ends);
  void cancel_meets_events(fd_pair ends);

  cookie next_cookie(void* who) { return {who, ++ticket_}; }

  std::unique_ptr<poller> poller_ = GetParam().make();
  std::uint64_t ticket_ = 0;
};

// uring_with: null, and the tests are skipped, where the kernel refuses.
std::unique_ptr<poller> uring_with(const uring_options& options) {
  refusal why;
  return make_uring_poller(options, &why);
}

INSTANTIATE_TEST_SUITE_P(
    backends, poller_test,
    ::testing::Values(
        backend_case{"epoll", make_epoll_poller}, backend_case{"poll", make_poll_poller},
        backend_case{"io_uring", [] { return uring_with({}); }},
        backend_case{"io_uring_shared", [] { return uring_with({}); }, access::shared},
        // As on kernels that cannot bound a multishot receive, with queues that are always full.
        backend_case{"io_uring_tight",
                     [] {
                       return uring_with(
                           {.entries = 4, .completions = 8, .buffers = 2, .multishot = false});
                     }}),
    [](const auto& which) { return which.param.name; });

TEST_P(poller_test, name_says_which_backend_it_is) {
  EXPECT_TRUE(std::string_view(GetParam().name).starts_with(poller_->name()));
}

TEST_P(poller_test, read_completes_at_once_when_bytes_are_there) {
  auto pipe = make_pipe();
  handle d(*poller_, pipe.a.get());
  ASSERT_EQ(::write(pipe.b.get(), "hello", 5), 5);
  std::array<char, 16> buffer;
  const auto r = poller_->start(*d, read_into(buffer), next_cookie(this));
  EXPECT_FALSE(r.pending);
  EXPECT_EQ(r.result, 5);
  EXPECT_EQ(poller_->pending_count(), 0U);
}

TEST_P(poller_test, read_that_waits_completes_with_again) {
  for (auto make : {make_pipe, make_socketpair, make_tcp}) {
    auto ends = make();
    handle d(*poller_, ends.a.get());
    std::array<char, 16> buffer;
    const auto who = next_cookie(this);
    ASSERT_TRUE(poller_->start(*d, read_into(buffer), who).pending);
    EXPECT_EQ(poller_->pending_count(), 1U);
    EXPECT_TRUE(nothing_comes());
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    const auto done = collect(1);
    EXPECT_EQ(done[0].who.who, this);
    EXPECT_EQ(done[0].who.ticket, who.ticket);
    EXPECT_EQ(done[0].result, again);
    EXPECT_EQ(poller_->pending_count(), 0U);
    const auto r = poller_->start(*d, read_into(buffer), next_cookie(this));
    EXPECT_FALSE(r.pending);
    EXPECT_EQ(r.result, 5);
  }
}

TEST_P(poller_test, write_to_a_full_descriptor_waits_until_it_is_read) {
  for (auto make : {make_pipe, make_socketpair, make_tcp}) {
    auto ends = make();  // of a pipe, b is the end that writes
    handle d(*poller_, ends.b.get());
    const std::string block(64 * 1024, 'x');
    const auto who = next_cookie(this);
    while (!poller_->start(*d, write_from(block), who).pending) continue;
    EXPECT_TRUE(nothing_comes());
    std::string sink(64 * 1024, '\0');
    std::array<completion, 2> done;
    while (poller_->wait(done, 0) == 0) {
      EXPECT_TRUE(::read(ends.a.get(), sink.data(), sink.size()) > 0 || errno == EAGAIN);
    }
    EXPECT_EQ(done[0].who.ticket, who.ticket);
  }
}

TEST_P(poller_test, one_event_completes_both_directions) {
  auto ends = make_socketpair();
  handle d(*poller_, ends.a.get());
  const std::string block(64 * 1024, 'x');
  std::array<char, 16> buffer;
  int reader = 0;
  int writer = 0;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(&reader)).pending);
  while (!poller_->start(*d, write_from(block), next_cookie(&writer)).pending) continue;
  EXPECT_EQ(poller_->pending_count(), 2U);
  ends.b.reset();
  const auto done = collect(2);
  EXPECT_EQ((std::set{done[0].who.who, done[1].who.who}), (std::set<void*>{&reader, &writer}));
  EXPECT_EQ(poller_->start(*d, write_from("x"), next_cookie(&writer)).result, -EPIPE);
}

TEST_P(poller_test, accept_waits_and_gives_non_blocking_descriptors) {
  auto l = make_listener();
  handle d(*poller_, l.fd.get());
  const operation accept{opcode::accept, nullptr, 0, 0};
  ASSERT_TRUE(poller_->start(*d, accept, next_cookie(this)).pending);
  unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&l.address), sizeof l.address), 0);
  collect(1);
  sockaddr_storage peer{};
  const operation named{opcode::accept, &peer, sizeof peer, 0};
  const unique_fd server(static_cast<int>(run(*d, named)));
  ASSERT_GE(server.get(), 0);
  EXPECT_EQ(peer.ss_family, AF_INET);
  EXPECT_NE(::fcntl(server.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(server.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(poller_test, connect_reports_success_and_refusal) {
  auto l = make_listener();
  const operation connect{opcode::connect, &l.address, sizeof l.address, 0};
  for (const bool listening : {true, false}) {
    if (!listening) l.fd.reset();
    const unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    handle d(*poller_, client.get());
    EXPECT_TRUE(nothing_comes());  // collects what a fresh socket reports about itself
    EXPECT_EQ(run(*d, connect), listening ? 0 : -ECONNREFUSED);
  }
}

TEST_P(poller_test, connect_to_a_full_unix_backlog_is_an_error_not_a_wait) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;  // an abstract name: no file is left behind
  const std::string name = "weft-poller-test-" + std::to_string(::getpid()) + GetParam().name;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const unique_fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(server.get(), 0), 0);
  const operation connect{opcode::connect, &address, length, 0};
  std::vector<unique_fd> clients;
  std::int64_t result = 0;
  for (int i = 0; i < 16 && result == 0; ++i) {
    clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    handle d(*poller_, clients.back().get());
    result = run(*d, connect);
  }
  EXPECT_EQ(result, -ENOBUFS);
}

TEST_P(poller_test, end_of_stream_is_found_behind_a_short_read) {
  // The end may become known before the first event was collected, with it, or after the read.
  for (const int moment : {0, 1, 2}) {
    auto ends = make_tcp();
    handle d(*poller_, ends.a.get());
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    if (moment == 0) ends.b.reset();
    EXPECT_TRUE(nothing_comes());
    if (moment == 1) ends.b.reset();
    EXPECT_EQ(read_some(*d, 100), "hello") << moment;
    if (moment == 2) ends.b.reset();
    EXPECT_EQ(read_some(*d, 100), "") << moment;
    EXPECT_EQ(read_some(*d, 100), "") << moment;
  }
}

TEST_P(poller_test, reset_is_found_behind_a_short_read) {
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
  EXPECT_EQ(read_some(*d, 100), "hello");
  const linger hard{1, 0};
  ::setsockopt(ends.b.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ends.b.reset();
  std::array<char, 16> buffer;
  EXPECT_EQ(run(*d, read_into(buffer)), -ECONNRESET);
}

TEST_P(poller_test, bytes_behind_a_short_read_are_found) {
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  for (int i = 0; i < 100; ++i) {
    const std::string text = "message " + std::to_string(i);
    const auto size = static_cast<ssize_t>(text.size());
    ASSERT_EQ(::write(ends.b.get(), text.data(), text.size()), size);
    std::string got;
    while (got.size() < text.size()) got += read_some(*d, i % 3 == 0 ? 4 : 100);
    EXPECT_EQ(got, text);
  }
}

TEST_P(poller_test, peeking_drains_nothing) {
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get(), access::shared);
  ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
  EXPECT_TRUE(nothing_comes());  // the edge is counted: no other will come
  std::array<char, 16> buffer;
  auto peek = read_into(buffer);
  peek.flags = MSG_PEEK;
  EXPECT_EQ(run(*d, peek), 5);
  EXPECT_EQ(read_some(*d, 100), "hello");
}

TEST_P(poller_test, urgent_bytes_hide_nothing_behind_them) {
  for (const bool collected_first : {false, true}) {
    auto ends = make_tcp();
    handle d(*poller_, ends.a.get());
    ASSERT_EQ(::send(ends.b.get(), "ab", 2, 0), 2);
    ASSERT_EQ(::send(ends.b.get(), "!", 1, MSG_OOB), 1);
    ASSERT_EQ(::send(ends.b.get(), "cd", 2, 0), 2);
    if (collected_first) {
      EXPECT_TRUE(nothing_comes());
    }
    std::string got;
    while (got.size() < 4) got += read_some(*d, 100);
    EXPECT_EQ(got, "abcd");
  }
}

TEST_P(poller_test, passed_descriptor_hides_nothing_behind_it) {
  auto ends = make_socketpair();
  handle d(*poller_, ends.a.get());
  char byte = 'a';
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = ends.b.get();
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  ASSERT_EQ(::sendmsg(ends.b.get(), &message, 0), 1);
  ASSERT_EQ(::write(ends.b.get(), "bc", 2), 2);
  EXPECT_TRUE(nothing_comes());  // the edges are counted: no others will come
  std::string got;
  while (got.size() < 3) got += read_some(*d, 100);
  EXPECT_EQ(got, "abc");
}

TEST_P(poller_test, everything_written_arrives_however_it_is_cut) {
  for (auto make : {make_pipe, make_socketpair, make_tcp}) {
    auto ends = make();
    handle reader(*poller_, ends.a.get());
    handle writer(*poller_, ends.b.get());
    std::string sent(2'000'000, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7919 >> 8);
    std::string got;
    std::string_view rest = sent;
    std::array<char, 60'000> buffer;
    bool reading = false;
    bool writing = false;
    while (got.size() < sent.size()) {
      while (!writing && !rest.empty()) {
        const auto w = poller_->start(*writer, write_from(rest), cookie{&writing, 1});
        writing = w.pending;
        if (!w.pending) {
          ASSERT_GT(w.result, 0);
          rest.remove_prefix(static_cast<std::size_t>(w.result));
        }
      }
      while (!reading && got.size() < sent.size()) {
        const auto r = poller_->start(*reader, read_into(buffer), cookie{&reading, 1});
        reading = r.pending;
        if (!r.pending) {
          ASSERT_GT(r.result, 0);
          got.append(buffer.data(), static_cast<std::size_t>(r.result));
        }
      }
      std::array<completion, 4> done;
      const std::size_t n = reading ? poller_->wait(done, -1) : 0;
      for (const auto& c : std::span(done).first(n)) *static_cast<bool*>(c.who.who) = false;
    }
    EXPECT_TRUE(got == sent);
  }
}

TEST_P(poller_test, vectors_and_messages_move_bytes_without_sigpipe) {
  auto ends = make_socketpair();
  handle writer(*poller_, ends.a.get());
  handle reader(*poller_, ends.b.get());
  std::string one = "one ";
  std::string two = "two";
  std::array<iovec, 2> out{{{one.data(), one.size()}, {two.data(), two.size()}}};
  EXPECT_EQ(run(*writer, {opcode::writev, out.data(), out.size(), 0}), 7);
  msghdr message{};
  message.msg_iov = out.data();
  message.msg_iovlen = out.size();
  EXPECT_EQ(run(*writer, {opcode::sendmsg, &message, 0, 0}), 7);
  std::string in(20, '\0');
  iovec vector{in.data(), in.size()};
  msghdr received{};
  received.msg_iov = &vector;
  received.msg_iovlen = 1;
  EXPECT_EQ(run(*reader, {opcode::recvmsg, &received, 0, 0}), 14);
  EXPECT_EQ(in.substr(0, 14), "one twoone two");
  ends.b.reset();
  EXPECT_EQ(run(*writer, {opcode::writev, out.data(), out.size(), 0}), -EPIPE);
  EXPECT_EQ(run(*writer, {opcode::sendmsg, &message, 0, 0}), -EPIPE);
  EXPECT_EQ(run(*writer, write_from("x")), -EPIPE);
}

TEST_P(poller_test, vectors_work_on_pipes) {
  auto pipe = make_pipe();
  handle writer(*poller_, pipe.b.get());
  handle reader(*poller_, pipe.a.get());
  std::string one = "one ";
  std::string two = "two";
  std::array<iovec, 2> out{{{one.data(), one.size()}, {two.data(), two.size()}}};
  EXPECT_EQ(run(*writer, {opcode::writev, out.data(), out.size(), 0}), 7);
  EXPECT_EQ(read_some(*reader, 100), "one two");
  pipe.b.reset();
  EXPECT_EQ(read_some(*reader, 100), "");
}

TEST_P(poller_test, readable_and_writable_tell_the_state_and_move_nothing) {
  auto ends = make_socketpair();
  handle d(*poller_, ends.a.get());
  const operation readable{opcode::readable, nullptr, 0, 0};
  const operation writable{opcode::writable, nullptr, 0, 0};
  EXPECT_EQ(run(*d, writable), 0);
  ASSERT_TRUE(poller_->start(*d, readable, next_cookie(this)).pending);
  ASSERT_EQ(::write(ends.b.get(), "x", 1), 1);
  collect(1);
  EXPECT_EQ(run(*d, readable), 0);
  EXPECT_EQ(run(*d, readable), 0);
  EXPECT_EQ(read_some(*d, 10), "x");
  ASSERT_TRUE(poller_->start(*d, readable, next_cookie(this)).pending);
  ends.b.reset();
  collect(1);
  EXPECT_EQ(run(*d, readable), 0);
}

TEST_P(poller_test, any_descriptor_that_can_wait_can_join) {
  const unique_fd counter(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  handle d(*poller_, counter.get());
  std::uint64_t value = 0;
  const operation read{opcode::read, &value, sizeof value, 0};
  ASSERT_TRUE(poller_->start(*d, read, next_cookie(this)).pending);
  const std::uint64_t seven = 7;
  ASSERT_EQ(::write(counter.get(), &seven, sizeof seven), 8);
  collect(1);
  EXPECT_EQ(run(*d, read), 8);
  EXPECT_EQ(value, 7U);
}

TEST_P(poller_test, regular_files_and_nonsense_are_refused) {
  std::array<char, 32> path{"/tmp/weft-poller-test-XXXXXX"};
  const unique_fd file(::mkstemp(path.data()));
  ASSERT_GE(file.get(), 0);
  ::unlink(path.data());
  int error = 0;
  EXPECT_EQ(poller_->open(file.get(), &error), nullptr);
  EXPECT_EQ(error, EPERM);
  EXPECT_EQ(poller_->open(-1, &error), nullptr);
  EXPECT_EQ(error, EBADF);
}

TEST(kind_of, only_a_stream_of_bytes_is_drained_by_a_short_read) {
  EXPECT_EQ(kind_of(make_tcp().a.get()), fd_kind::tcp);
  EXPECT_EQ(kind_of(make_socketpair().a.get()), fd_kind::socket);
  EXPECT_EQ(kind_of(make_pipe().a.get()), fd_kind::pipe);
  EXPECT_EQ(kind_of(unique_fd(::eventfd(0, EFD_CLOEXEC)).get()), fd_kind::other);
  // Packets of the protocol, one a read.
  const unique_fd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
  if (raw.get() >= 0) {
    EXPECT_EQ(kind_of(raw.get()), fd_kind::socket);
  }
}

TEST(epoll_poller_death_test, waits_under_a_filter_that_does_not_know_the_newest_call) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto waits = [] {
    if (!poll_test::refuse_system_call(SYS_epoll_pwait2, EPERM)) std::_Exit(0);
    const auto p = make_epoll_poller();
    std::array<completion, 2> out;
    std::_Exit(p->wait(out, 1'000'000) == 0 ? 0 : 1);
  };
  EXPECT_EXIT(waits(), testing::ExitedWithCode(0), "");
}

TEST_P(poller_test, attempt_leaves_nothing_pending) {
  for (auto make : {make_pipe, make_socketpair, make_tcp}) {
    auto ends = make();
    handle d(*poller_, ends.a.get());
    std::array<char, 16> buffer;
    EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), -EAGAIN);
    EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), -EAGAIN);
    EXPECT_EQ(poller_->pending_count(), 0U);
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    EXPECT_TRUE(nothing_comes());
    EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), 5);
    EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), -EAGAIN);
    // What an attempt found drained, start() need not try again, and still misses nothing.
    ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
    ASSERT_EQ(::write(ends.b.get(), "again", 5), 5);
    collect(1);
    EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), 5);
  }
}

TEST_P(poller_test, attempt_that_asks_finds_what_no_event_has_reported_yet) {
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  EXPECT_TRUE(nothing_comes());
  std::array<char, 16> buffer;
  EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::ask), -EAGAIN);
  ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
  std::int64_t n = 0;
  while ((n = poller_->attempt(*d, read_into(std::span(buffer).first(2)), trust::ask)) == -EAGAIN) {
  }
  EXPECT_EQ(n, 2);
  // What was found so is not taken for drained.
  EXPECT_EQ(poller_->attempt(*d, read_into(buffer), trust::rely), 3);
}

TEST_P(poller_test, wait_ends_with_its_timeout) {
  std::array<completion, 2> out;
  for (const std::int64_t timeout_ns : {0, 1, 50'000, 1'000'000, 2'500'000}) {
    EXPECT_EQ(poller_->wait(out, timeout_ns), 0U);
  }
}

TEST(milliseconds, round_up_and_keep_zero_and_for_ever) {
  EXPECT_EQ(milliseconds(0), 0);
  EXPECT_EQ(milliseconds(-1), -1);
  EXPECT_EQ(milliseconds(INT64_MIN), -1);
  EXPECT_EQ(milliseconds(1), 1);
  EXPECT_EQ(milliseconds(1'000'000), 1);
  EXPECT_EQ(milliseconds(1'000'001), 2);
  EXPECT_EQ(milliseconds(INT64_MAX), INT32_MAX);
}

TEST_P(poller_test, cancel_withdraws_once_and_nothing_follows) {
  auto pipe = make_pipe();
  handle d(*poller_, pipe.a.get());
  std::array<char, 16> buffer;
  const cookie who{this, 1};
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), who).pending);
  EXPECT_FALSE(poller_->cancel(*d, direction::read, cookie{this, 2}));
  EXPECT_FALSE(poller_->cancel(*d, direction::write, who));
  EXPECT_TRUE(poller_->cancel(*d, direction::read, who));
  EXPECT_FALSE(poller_->cancel(*d, direction::read, who));
  EXPECT_EQ(poller_->pending_count(), 0U);
  ASSERT_EQ(::write(pipe.b.get(), "x", 1), 1);
  EXPECT_TRUE(nothing_comes());
  EXPECT_EQ(read_some(*d, 10), "x");
}

TEST_P(poller_test, cancel_after_the_completion_says_no) {
  auto pipe = make_pipe();
  handle d(*poller_, pipe.a.get());
  std::array<char, 16> buffer;
  const cookie who{this, 1};
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), who).pending);
  ASSERT_EQ(::write(pipe.b.get(), "x", 1), 1);
  collect(1);
  EXPECT_FALSE(poller_->cancel(*d, direction::read, who));
}

TEST_P(poller_test, cancelled_reader_finds_later_bytes) {
  for (auto make : {make_pipe, make_socketpair, make_tcp}) {
    auto ends = make();
    handle d(*poller_, ends.a.get());
    std::array<char, 16> buffer;
    for (int i = 0; i < 10; ++i) {
      const auto who = next_cookie(this);
      ASSERT_TRUE(poller_->start(*d, read_into(buffer), who).pending);
      if (i % 2 == 0) {
        EXPECT_TRUE(poller_->cancel(*d, direction::read, who));
      }
      ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
      if (i % 2 == 1) collect(1);
      EXPECT_EQ(read_some(*d, 16), "hello");
    }
  }
}

TEST_P(poller_test, close_evicts_what_is_pending_and_refuses_what_follows) {
  auto ends = make_socketpair();
  int error = 0;
  descriptor* d = poller_->open(ends.a.get(), &error);
  ASSERT_NE(d, nullptr);
  const std::string block(64 * 1024, 'x');
  std::array<char, 16> buffer;
  int reader = 0;
  int writer = 0;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), cookie{&reader, 1}).pending);
  while (!poller_->start(*d, write_from(block), cookie{&writer, 2}).pending) continue;
  std::array<completion, 2> evicted;
  ASSERT_EQ(poller_->close(*d, evicted), 2);
  EXPECT_EQ(evicted[0].who.who, &reader);
  EXPECT_EQ(evicted[1].who.who, &writer);
  EXPECT_EQ(evicted[0].result, -EBADF);
  EXPECT_EQ(poller_->pending_count(), 0U);
  ends.b.reset();
  EXPECT_TRUE(nothing_comes());
  EXPECT_EQ(poller_->start(*d, read_into(buffer), cookie{&reader, 3}).result, -EBADF);
  poller_->release(*d);
}

TEST_P(poller_test, close_evicts_only_what_is_pending) {
  auto ends = make_socketpair();
  int error = 0;
  descriptor* d = poller_->open(ends.a.get(), &error);
  ASSERT_NE(d, nullptr);
  const std::string block(64 * 1024, 'x');
  while (!poller_->start(*d, write_from(block), cookie{this, 9}).pending) continue;
  std::array<completion, 2> evicted;
  ASSERT_EQ(poller_->close(*d, evicted), 1);
  EXPECT_EQ(evicted[0].who.ticket, 9U);
  poller_->release(*d);
}

TEST_P(poller_test, events_of_a_closed_descriptor_do_not_reach_the_next_user_of_its_record) {
  auto first = make_socketpair();
  int error = 0;
  descriptor* d = poller_->open(first.a.get(), &error);
  ASSERT_NE(d, nullptr);
  std::array<char, 16> buffer;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), cookie{this, 1}).pending);
  // The bytes are there before the close, and a duplicate keeps the socket open behind it.
  ASSERT_EQ(::write(first.b.get(), "x", 1), 1);
  const unique_fd duplicate(::dup(first.a.get()));
  std::array<completion, 2> evicted;
  ASSERT_EQ(poller_->close(*d, evicted), 1);
  first.a.reset();
  poller_->release(*d);

  auto second = make_socketpair();
  descriptor* reused = poller_->open(second.a.get(), &error);
  ASSERT_EQ(reused, d);
  ASSERT_TRUE(poller_->start(*reused, read_into(buffer), cookie{this, 2}).pending);
  ASSERT_EQ(::write(first.b.get(), "y", 1), 1);
  EXPECT_TRUE(nothing_comes());
  ASSERT_EQ(::write(second.b.get(), "z", 1), 1);
  EXPECT_EQ(collect(1)[0].who.ticket, 2U);
  EXPECT_EQ(poller_->close(*reused, evicted), 0);
  poller_->release(*reused);
}

TEST_P(poller_test, small_batches_lose_nothing) {
  constexpr std::size_t count = 40;
  std::vector<fd_pair> pairs;
  std::vector<std::unique_ptr<handle>> handles;
  std::array<char, 16> buffer;
  for (std::size_t i = 0; i < count; ++i) {
    pairs.push_back(make_socketpair());
    handles.push_back(std::make_unique<handle>(*poller_, pairs[i].a.get()));
    ASSERT_TRUE(poller_->start(**handles[i], read_into(buffer), cookie{this, i}).pending);
  }
  for (auto& p : pairs) ASSERT_EQ(::write(p.b.get(), "x", 1), 1);
  std::set<std::uint64_t> seen;
  while (seen.size() < count) {
    std::array<completion, 2> out;
    const std::size_t n = poller_->wait(out, -1);
    for (std::size_t i = 0; i < n; ++i) EXPECT_TRUE(seen.insert(out[i].who.ticket).second);
  }
  EXPECT_TRUE(nothing_comes());
}

TEST_P(poller_test, ten_thousand_descriptors_each_get_their_own_event) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit before = limit;
  constexpr rlim_t wanted = 10'100;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  const std::size_t pair_count =
      (static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, wanted)) - 100) / 2;
  {
    std::vector<fd_pair> pairs;
    std::vector<std::unique_ptr<handle>> handles;
    std::array<char, 4> buffer;
    for (std::size_t i = 0; i < pair_count; ++i) {
      pairs.push_back(make_socketpair());
      for (const int fd : {pairs[i].a.get(), pairs[i].b.get()}) {
        handles.push_back(std::make_unique<handle>(*poller_, fd));
        const cookie who{this, handles.size() - 1};
        ASSERT_TRUE(poller_->start(**handles.back(), read_into(buffer), who).pending);
      }
    }
    EXPECT_EQ(poller_->pending_count(), 2 * pair_count);
    for (auto& p : pairs) {
      ASSERT_EQ(::write(p.a.get(), "x", 1), 1);
      ASSERT_EQ(::write(p.b.get(), "x", 1), 1);
    }
    std::vector<bool> seen(handles.size());
    std::vector<completion> out(1024);
    for (std::size_t left = handles.size(); left > 0;) {
      const std::size_t n = poller_->wait(out, -1);
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_FALSE(seen[out[i].who.ticket]);
        seen[out[i].who.ticket] = true;
      }
      left -= n;
    }
    EXPECT_EQ(poller_->pending_count(), 0U);
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_P(poller_test, wake_before_wait_makes_the_next_wait_return) {
  std::array<completion, 2> out;
  poller_->wake();
  poller_->wake();
  EXPECT_EQ(poller_->wait(out, 0), 0U);  // a poll does not use it up
  EXPECT_EQ(poller_->wait(out, -1), 0U);
}

TEST_P(poller_test, wake_reaches_a_sleeper_and_publishes_what_came_before) {
  constexpr int rounds = 2'000;
  base::atomic<int> asked{0};
  base::atomic<int> answered{0};
  base::atomic<bool> stop{false};
  // A third thread polls all the while: it must not take the sleeper's wake-up away.
  std::thread thief([&] {
    std::array<completion, 2> out;
    while (!stop.load(base::acquire)) EXPECT_EQ(poller_->wait(out, 0), 0U);
  });
  std::thread sleeper([&] {
    std::array<completion, 2> out;
    for (int done = 0; done < rounds;) {
      EXPECT_EQ(poller_->wait(out, -1), 0U);
      // relaxed: wake() and wait() alone must have made it visible.
      const int now = asked.load(base::relaxed);
      if (now == done) continue;
      done = now;
      answered.store(done, base::release);
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    asked.store(i, base::relaxed);
    poller_->wake();
    while (answered.load(base::acquire) < i) std::this_thread::yield();
  }
  sleeper.join();
  stop.store(true, base::release);
  thief.join();
}

poller* woken_by_signal = nullptr;

TEST_P(poller_test, wake_may_be_called_by_a_signal_handler) {
  woken_by_signal = poller_.get();
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { woken_by_signal->wake(); };
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  base::atomic<bool> returned{false};
  std::thread sleeper([&] {
    std::array<completion, 2> out;
    EXPECT_EQ(poller_->wait(out, -1), 0U);
    returned.store(true, base::release);
  });
  // ThreadSanitizer keeps a signal back until its thread makes a call that waits and that it knows.
  if (WEFT_TSAN != 0) {
    ::raise(SIGUSR1);
  } else {
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
  EXPECT_TRUE(returned.load(base::acquire));
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_P(poller_test, arming_reaches_a_thread_that_sleeps_already) {
  for (auto make : {make_socketpair, make_tcp}) arming_reaches_a_sleeper(make());
}

void poller_test::arming_reaches_a_sleeper(fd_pair ends) {
  base::atomic<std::uint64_t> seen{0};
  constexpr std::uint64_t rounds = 300;
  std::thread sleeper([&] {
    std::array<completion, 8> out;
    while (seen.load(base::relaxed) < rounds) {
      const std::size_t n = poller_->wait(out, -1);
      seen.fetch_add(n, base::release);
    }
  });
  {
    handle d(*poller_, ends.a.get());
    for (std::uint64_t i = 0; i < rounds; ++i) {
      std::array<char, 16> buffer;
      ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
      ASSERT_EQ(::write(ends.b.get(), "x", 1), 1);
      while (seen.load(base::acquire) <= i) std::this_thread::yield();
      const auto r = poller_->start(*d, read_into(buffer), next_cookie(this));
      ASSERT_FALSE(r.pending);
      ASSERT_EQ(r.result, 1);
    }
  }
  sleeper.join();
}

TEST_P(poller_test, close_ends_the_stream_though_a_thread_sleeps) {
  base::atomic<bool> stop{false};
  std::thread sleeper([&] {
    std::array<completion, 8> out;
    while (!stop.load(base::acquire)) static_cast<void>(poller_->wait(out, -1));
  });
  for (int i = 0; i < 500; ++i) {
    auto ends = make_socketpair();
    std::array<char, 16> buffer;
    {
      handle d(*poller_, ends.a.get());
      const cookie who = next_cookie(this);
      ASSERT_TRUE(poller_->start(*d, read_into(buffer), who).pending);
      std::this_thread::yield();
      ASSERT_TRUE(poller_->cancel(*d, direction::read, who));
    }
    ends.a.reset();
    // The limit is there to fail, not to wait for.
    const timeval limit{10, 0};
    ::setsockopt(ends.b.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ASSERT_EQ(::fcntl(ends.b.get(), F_SETFL, 0), 0);
    ASSERT_EQ(::read(ends.b.get(), buffer.data(), buffer.size()), 0) << std::strerror(errno);
  }
  stop.store(true, base::release);
  poller_->wake();
  sleeper.join();
}

TEST_P(poller_test, event_between_attempt_and_arming_is_not_lost) {
  for (auto make : {make_socketpair, make_tcp}) event_comes_while_arming(make());
}

void poller_test::event_comes_while_arming(fd_pair ends) {
  constexpr std::uint64_t rounds = 2'500;
  handle d(*poller_, ends.a.get());
  base::atomic<std::uint64_t> round{0};
  base::atomic<std::uint64_t> read_count{0};
  base::atomic<std::uint64_t> completed{0};
  // One thread writes a byte and collects its event, at every distance from the other's start.
  std::thread peer([&] {
    std::array<completion, 8> out;
    for (std::uint64_t i = 1; i <= rounds; ++i) {
      while (round.load(base::acquire) < i) std::this_thread::yield();
      for (std::uint64_t spin = i % 64; spin > 0; --spin) base::cpu_relax();
      EXPECT_EQ(::write(ends.b.get(), "x", 1), 1);
      while (read_count.load(base::acquire) < i) {
        const std::size_t n = poller_->wait(out, 0);
        if (n != 0) completed.store(out[n - 1].who.ticket, base::release);
      }
    }
  });
  std::uint64_t ticket = 0;
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    char byte = 0;
    round.store(i, base::release);
    for (;;) {
      const auto r = poller_->start(*d, {opcode::read, &byte, 1, 0}, cookie{this, ++ticket});
      if (!r.pending) {
        ASSERT_EQ(r.result, 1);
        break;
      }
      while (completed.load(base::acquire) != ticket) std::this_thread::yield();
    }
    read_count.store(i, base::release);
  }
  peer.join();
}

TEST_P(poller_test, event_in_a_collected_batch_does_not_reach_the_next_user_of_a_record) {
  // A batch is being delivered while the record of its last event is closed and used again for a
  // descriptor that is never ready.
  constexpr std::uint64_t rounds = 300;
  constexpr std::size_t busy_count = 100;
  std::vector<fd_pair> busy;
  for (std::size_t i = 0; i < busy_count; ++i) busy.push_back(make_socketpair());
  auto idle = make_socketpair();
  std::array<char, 16> buffer;
  base::atomic<std::uint64_t> round{0};
  base::atomic<std::uint64_t> delivered{0};
  base::atomic<bool> stale{false};
  std::thread waiter([&] {
    std::vector<completion> out(2 * busy_count);
    for (std::uint64_t i = 1; i <= rounds; ++i) {
      while (round.load(base::acquire) < i) base::cpu_relax();
      const std::size_t n = poller_->wait(out, 0);
      for (std::size_t c = 0; c < n; ++c) {
        if (out[c].who.who == &idle) stale.store(true, base::relaxed);
      }
      delivered.store(i, base::release);
    }
  });
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    std::vector<descriptor*> records;
    int error = 0;
    for (auto& p : busy) {
      records.push_back(poller_->open(p.a.get(), &error));
      ASSERT_TRUE(poller_->start(*records.back(), read_into(buffer), cookie{this, i}).pending);
    }
    for (auto& p : busy) ASSERT_EQ(::write(p.b.get(), "x", 1), 1);
    round.store(i, base::release);
    for (std::uint64_t spin = i % 128; spin > 0; --spin) base::cpu_relax();
    std::array<completion, 2> evicted;
    poller_->close(*records.back(), evicted);
    poller_->release(*records.back());
    descriptor* reused = poller_->open(idle.a.get(), &error);
    ASSERT_EQ(reused, records.back());
    ASSERT_TRUE(poller_->start(*reused, read_into(buffer), cookie{&idle, i}).pending);
    while (delivered.load(base::acquire) < i) std::this_thread::yield();
    for (auto* d : records) {
      poller_->close(*d, evicted);
      poller_->release(*d);
    }
    for (auto& p : busy) ASSERT_EQ(::read(p.a.get(), buffer.data(), buffer.size()), 1);
  }
  waiter.join();
  EXPECT_FALSE(stale.load(base::relaxed));
}

TEST_P(poller_test, cancel_and_event_never_both_have_it_nor_neither) {
  for (auto make : {make_socketpair, make_tcp}) cancel_meets_events(make());
}

// cancel_meets_events: each round, an operation waits while a byte is written and while it is
// cancelled, at once.
void poller_test::cancel_meets_events(fd_pair ends) {
  constexpr std::uint64_t rounds = 500;
  handle d(*poller_, ends.a.get());
  base::atomic<std::uint64_t> completed{0};  // the newest ticket that a completion brought
  base::atomic<std::uint64_t> round{0};
  base::atomic<bool> stop{false};
  std::thread waiter([&] {
    std::array<completion, 8> out;
    while (!stop.load(base::acquire)) {
      const std::size_t n = poller_->wait(out, -1);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_GT(out[i].who.ticket, completed.load(base::relaxed));
        completed.store(out[i].who.ticket, base::release);
      }
    }
  });
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= rounds; ++i) {
      while (round.load(base::acquire) < i) std::this_thread::yield();
      EXPECT_EQ(::write(ends.b.get(), "x", 1), 1);
    }
  });
  std::uint64_t ticket = 0;
  std::uint64_t cancelled = 0;
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    char byte = 0;
    const operation read{opcode::read, &byte, 1, 0};
    bool published = false;
    for (;;) {
      const cookie who{this, ++ticket};
      const auto r = poller_->start(*d, read, who);
      if (!std::exchange(published, true)) round.store(i, base::release);
      if (!r.pending) {
        ASSERT_EQ(r.result, 1);
        break;
      }
      if (poller_->cancel(*d, direction::read, who)) {
        ++cancelled;
      } else {
        while (completed.load(base::acquire) != ticket) std::this_thread::yield();
      }
    }
  }
  writer.join();
  stop.store(true, base::release);
  poller_->wake();
  waiter.join();
  EXPECT_EQ(poller_->pending_count(), 0U);
  EXPECT_GT(cancelled, 0U);
}

TEST_P(poller_test, close_against_events_leaves_each_operation_once) {
  constexpr std::uint64_t rounds = 1'000;
  base::atomic<std::uint64_t> completed{0};
  base::atomic<bool> stop{false};
  std::thread waiter([&] {
    std::array<completion, 8> out;
    while (!stop.load(base::acquire)) {
      completed.fetch_add(poller_->wait(out, -1), base::release);
    }
  });
  std::uint64_t evicted_count = 0;
  std::uint64_t started = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    auto ends = i % 2 == 0 ? make_socketpair() : make_tcp();
    int error = 0;
    descriptor* d = poller_->open(ends.a.get(), &error, GetParam().who);
    ASSERT_NE(d, nullptr);
    std::array<char, 16> buffer;
    if (poller_->start(*d, read_into(buffer), cookie{this, i}).pending) ++started;
    ASSERT_EQ(::write(ends.b.get(), "x", 1), 1);
    std::array<completion, 2> evicted;
    evicted_count += static_cast<std::uint64_t>(poller_->close(*d, evicted));
    poller_->release(*d);
  }
  while (completed.load(base::acquire) + evicted_count < started) std::this_thread::yield();
  stop.store(true, base::release);
  poller_->wake();
  waiter.join();
  EXPECT_EQ(completed.load(base::acquire) + evicted_count, started);
  EXPECT_EQ(poller_->pending_count(), 0U);
}

TEST_P(poller_test, many_threads_open_use_and_close) {
  constexpr int thread_count = 4;
  constexpr int rounds = 300;
  base::atomic<bool> stop{false};
  std::thread waiter([&] {
    std::array<completion, 32> out;
    while (!stop.load(base::acquire)) {
      const std::size_t n = poller_->wait(out, -1);
      for (std::size_t i = 0; i < n; ++i) {
        static_cast<base::atomic<std::uint64_t>*>(out[i].who.who)
            ->store(out[i].who.ticket, base::release);
      }
    }
  });
  std::vector<std::thread> users;
  for (int t = 0; t < thread_count; ++t) {
    users.emplace_back([&] {
      base::atomic<std::uint64_t> arrived{0};
      std::uint64_t ticket = 0;
      for (int i = 0; i < rounds; ++i) {
        auto ends = i % 2 == 0 ? make_socketpair() : make_tcp();
        handle d(*poller_, ends.a.get());
        std::array<char, 16> buffer;
        ASSERT_TRUE(poller_->start(*d, read_into(buffer), cookie{&arrived, ++ticket}).pending);
        ASSERT_EQ(::write(ends.b.get(), "x", 1), 1);
        while (arrived.load(base::acquire) != ticket) std::this_thread::yield();
        ASSERT_EQ(poller_->start(*d, read_into(buffer), cookie{&arrived, ++ticket}).result, 1);
      }
    });
  }
  for (auto& u : users) u.join();
  stop.store(true, base::release);
  poller_->wake();
  waiter.join();
}

TEST_P(poller_test, end_and_reset_come_behind_the_bytes_though_a_reader_waits) {
  for (const bool reset : {false, true}) {
    auto ends = make_tcp();
    handle d(*poller_, ends.a.get());
    std::array<char, 16> buffer;
    ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
    EXPECT_TRUE(nothing_comes());
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    collect(1);
    EXPECT_EQ(read_some(*d, 2), "he");
    if (reset) {
      const linger hard{1, 0};
      ::setsockopt(ends.b.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      EXPECT_EQ(read_some(*d, 16), "llo");
    }
    ends.b.reset();
    if (!reset) {
      EXPECT_EQ(read_some(*d, 16), "llo");
    }
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(run(*d, read_into(buffer)), reset && i == 0 ? -ECONNRESET : 0);
    }
  }
}

TEST_P(poller_test, bytes_come_whatever_becomes_of_the_thread_that_waited_for_them) {
  constexpr std::size_t count = 20;
  std::vector<fd_pair> pairs;
  std::vector<std::unique_ptr<handle>> handles;
  std::array<char, 16> buffer;
  std::thread armer([&] {
    for (std::size_t i = 0; i < count; ++i) {
      pairs.push_back(i % 2 == 0 ? make_tcp() : make_socketpair());
      handles.push_back(std::make_unique<handle>(*poller_, pairs[i].a.get()));
      ASSERT_TRUE(poller_->start(**handles[i], read_into(buffer), cookie{this, i}).pending);
    }
    EXPECT_TRUE(nothing_comes());
  });
  armer.join();
  for (auto& p : pairs) ASSERT_EQ(::write(p.b.get(), "x", 1), 1);
  std::set<std::uint64_t> seen;
  for (const auto& c : collect(count)) EXPECT_TRUE(seen.insert(c.who.ticket).second);
  for (auto& h : handles) EXPECT_EQ(read_some(**h, 16), "x");
}

TEST_P(poller_test, bytes_come_while_the_thread_that_waited_for_them_is_elsewhere) {
  const auto computes = [](base::atomic<bool>& until, int) {
    while (!until.load(base::acquire)) continue;
  };
  const auto blocks = [](base::atomic<bool>&, int fd) {
    char byte = 0;
    while (::read(fd, &byte, 1) < 0) EXPECT_EQ(errno, EINTR);
  };
  for (const auto& elsewhere : {+computes, +blocks}) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const unique_fd out(pipe[0]);
    unique_fd in(pipe[1]);
    base::atomic<bool> armed{false};
    base::atomic<bool> until{false};
    auto tcp = make_tcp();
    auto local = make_socketpair();
    handle a(*poller_, tcp.a.get());
    handle b(*poller_, local.a.get());
    std::array<char, 16> buffer;
    std::thread armer([&] {
      EXPECT_TRUE(poller_->start(*a, read_into(buffer), cookie{this, 1}).pending);
      EXPECT_TRUE(poller_->start(*b, read_into(buffer), cookie{this, 2}).pending);
      EXPECT_TRUE(nothing_comes());
      armed.store(true, base::release);
      elsewhere(until, out.get());
    });
    while (!armed.load(base::acquire)) std::this_thread::yield();
    ASSERT_EQ(::write(tcp.b.get(), "x", 1), 1);
    ASSERT_EQ(::write(local.b.get(), "x", 1), 1);
    collect(2);
    EXPECT_EQ(read_some(*a, 16), "x");
    EXPECT_EQ(read_some(*b, 16), "x");
    until.store(true, base::release);
    in.reset();
    armer.join();
  }
}

TEST_P(poller_test, peer_of_a_descriptor_that_nobody_reads_is_held_up) {
  constexpr std::size_t ahead_max = 64 * 1024;  // more than any backend receives ahead
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  std::array<char, 16> buffer;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
  EXPECT_TRUE(nothing_comes());
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  std::array<completion, 2> out;
  // Until the kernel's own buffers are full: nothing moves for as long as this.
  for (int idle = 0; idle < 200;) {
    const auto n = ::send(ends.b.get(), block.data(), block.size(), MSG_NOSIGNAL);
    sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    idle = n > 0 ? 0 : idle + 1;
    static_cast<void>(poller_->wait(out, 1'000'000));
  }
  std::size_t held = 0;
  std::string sink(4096, '\0');
  std::int64_t n = 0;
  while ((n = poller_->take_held(*d, sink)) != 0) {
    if (n > 0) held += static_cast<std::size_t>(n);
    ASSERT_TRUE(n > 0 || n == -EAGAIN) << n;
  }
  EXPECT_LE(held, ahead_max);
  // All of it is there, in its order.
  ends.b.reset();
  std::size_t rest = 0;
  while (const auto part = read_some(*d, 1024 * 1024).size()) rest += part;
  EXPECT_EQ(held + rest, sent);
}

TEST_P(poller_test, pieces_that_nobody_reads_fill_few_buffers) {
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  std::array<char, 16> buffer;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
  std::array<completion, 2> out;
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_EQ(::send(ends.b.get(), "x", 1, MSG_NOSIGNAL), 1);
    static_cast<void>(poller_->wait(out, 0));
  }
  std::size_t held = 0;
  std::string sink(4096, '\0');
  std::int64_t n = 0;
  while ((n = poller_->take_held(*d, sink)) != 0) held += n > 0 ? static_cast<std::size_t>(n) : 0;
  ends.b.reset();
  EXPECT_EQ(held + read_all(*d, 4096).size(), 2'000U);
}

TEST_P(poller_test, what_was_held_and_what_is_read_beside_it_are_the_whole) {
  constexpr std::size_t size = 300'000;
  for (int round = 0; round < 20; ++round) {
    auto ends = make_tcp();
    std::thread writer([&] {
      std::size_t sent = 0;
      for (std::size_t piece = 1; sent < size; piece = piece % 3'001 + 17) {
        std::string text;
        for (std::size_t i = 0; i < std::min(piece, size - sent); ++i)
          text += static_cast<char>((sent + i) * 7919 >> 8);
        const auto n = ::send(ends.b.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<std::size_t>(n);
      }
      ::shutdown(ends.b.get(), SHUT_WR);
    });
    std::string got;
    {
      handle d(*poller_, ends.a.get());
      for (int i = 0; i < round; ++i) got += read_some(*d, 100);
      std::string sink(3'000, '\0');
      std::int64_t n = 0;
      while ((n = poller_->take_held(*d, sink)) != 0) {
        ASSERT_TRUE(n > 0 || n == -EAGAIN) << n;
        if (n > 0) got.append(sink, 0, static_cast<std::size_t>(n));
      }
      ASSERT_EQ(::fcntl(ends.a.get(), F_SETFL, 0), 0);
      while ((n = ::read(ends.a.get(), sink.data(), sink.size())) > 0)
        got.append(sink, 0, static_cast<std::size_t>(n));
    }
    writer.join();
    ASSERT_EQ(got.size(), size);
    for (std::size_t i = 0; i < size; ++i)
      ASSERT_EQ(got[i], static_cast<char>(i * 7919 >> 8)) << i << " in round " << round;
  }
}

TEST_P(poller_test, more_bytes_wait_than_buffers_are_there) {
  constexpr std::size_t count = 64;
  std::vector<fd_pair> pairs;
  std::vector<std::unique_ptr<handle>> handles;
  std::array<char, 16> buffer;
  for (std::size_t i = 0; i < count; ++i) {
    pairs.push_back(make_tcp());
    handles.push_back(std::make_unique<handle>(*poller_, pairs[i].a.get()));
    ASSERT_TRUE(poller_->start(**handles[i], read_into(buffer), cookie{this, i}).pending);
  }
  EXPECT_TRUE(nothing_comes());
  for (int round = 0; round < 3; ++round) {
    for (auto& p : pairs) ASSERT_EQ(::write(p.b.get(), "hello", 5), 5);
    collect(count);
    for (auto& h : handles) EXPECT_EQ(read_some(**h, 16), "hello");
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_TRUE(poller_->start(**handles[i], read_into(buffer), cookie{this, i}).pending);
  }
}

TEST_P(poller_test, closing_gives_back_what_was_held) {
  std::array<completion, 2> out;
  std::array<char, 16> buffer;
  for (int i = 0; i < 3'000; ++i) {
    auto ends = make_tcp();
    int error = 0;
    descriptor* d = poller_->open(ends.a.get(), &error, GetParam().who);
    ASSERT_NE(d, nullptr);
    const auto who = next_cookie(this);
    const bool pending = poller_->start(*d, read_into(buffer), who).pending;
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    if (i % 3 != 0) static_cast<void>(poller_->wait(out, 0));
    if (i % 3 == 1 && pending) static_cast<void>(poller_->cancel(*d, direction::read, who));
    poller_->close(*d, out);
    poller_->release(*d);
  }
  EXPECT_EQ(poller_->pending_count(), 0U);
  auto ends = make_tcp();
  handle d(*poller_, ends.a.get());
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(::write(ends.b.get(), "hello", 5), 5);
    EXPECT_EQ(read_some(*d, 16), "hello");
  }
}

// dial: a connection to `l`, and the address it comes from.
unique_fd dial(const loopback_listener& l, sockaddr_in* from = nullptr) {
  unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(
      ::connect(client.get(), reinterpret_cast<const sockaddr*>(&l.address), sizeof l.address), 0);
  // The limit is there to fail, not to wait for.
  const timeval limit{10, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  socklen_t size = sizeof *from;
  if (from != nullptr) {
    EXPECT_EQ(::getsockname(client.get(), reinterpret_cast<sockaddr*>(from), &size), 0);
  }
  return client;
}

// backlog_of: how many connections wait in the kernel to be accepted.
std::uint32_t backlog_of(const loopback_listener& l) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(::getsockopt(l.fd.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info.tcpi_unacked;
}

// reset_by_peer: whether the other end of `fd` goes, and not in an orderly way.
testing::AssertionResult reset_by_peer(int fd) {
  char byte = 0;
  const auto n = ::read(fd, &byte, 1);
  if (n < 0 && errno == ECONNRESET) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "read gave " << n << ", " << std::strerror(errno);
}

std::size_t descriptors_of_process() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.is_symlink() ? 1 : 0;
  }
  return count;
}

TEST_P(poller_test, accept_names_each_peer_in_the_order_they_came) {
  auto l = make_listener();
  handle d(*poller_, l.fd.get());
  std::vector<unique_fd> clients;
  for (int i = 0; i < 50; ++i) {
    const bool waits = i % 3 != 0;
    sockaddr_storage peer{};
    const operation accept{opcode::accept, &peer, sizeof peer, 0};
    if (waits) {
      ASSERT_TRUE(poller_->start(*d, accept, next_cookie(this)).pending);
    }
    std::array<sockaddr_in, 2> from{};
    for (auto& f : from) clients.push_back(dial(l, &f));
    if (waits) collect(1);
    for (const auto& f : from) {
      const unique_fd server(static_cast<int>(run(*d, accept)));
      ASSERT_GE(server.get(), 0);
      EXPECT_EQ(std::memcmp(&peer, &f, sizeof f), 0);
      EXPECT_NE(::fcntl(server.get(), F_GETFL) & O_NONBLOCK, 0);
      EXPECT_NE(::fcntl(server.get(), F_GETFD) & FD_CLOEXEC, 0);
    }
  }
}

TEST_P(poller_test, connection_that_was_reset_before_it_is_accepted_is_still_named) {
  auto l = make_listener();
  handle d(*poller_, l.fd.get());
  sockaddr_storage peer{};
  const operation accept{opcode::accept, &peer, sizeof peer, 0};
  ASSERT_TRUE(poller_->start(*d, accept, next_cookie(this)).pending);
  sockaddr_in from{};
  auto client = dial(l, &from);
  collect(1);
  const linger hard{1, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  client.reset();
  const unique_fd server(static_cast<int>(run(*d, accept)));
  ASSERT_GE(server.get(), 0);
  EXPECT_EQ(std::memcmp(&peer, &from, sizeof from), 0);
  char byte = 0;
  EXPECT_EQ(::recv(server.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_P(poller_test, listener_that_nobody_accepts_from_takes_few_connections) {
  constexpr std::uint32_t count = 20;
  constexpr std::uint32_t ahead_max = 4;
  auto l = make_listener();
  handle d(*poller_, l.fd.get());
  const operation accept{opcode::accept, nullptr, 0, 0};
  for (int round = 0; round < 3; ++round) {
    const auto who = next_cookie(this);
    ASSERT_TRUE(poller_->start(*d, accept, who).pending);
    EXPECT_TRUE(nothing_comes());
    EXPECT_TRUE(poller_->cancel(*d, direction::read, who));
    std::vector<unique_fd> clients;
    for (std::uint32_t i = 0; i < count; ++i) clients.push_back(dial(l));
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(nothing_comes());
    EXPECT_GE(backlog_of(l), count - ahead_max);
    std::set<int> seen;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto fd = static_cast<int>(run(*d, accept));
      ASSERT_GE(fd, 0);
      EXPECT_TRUE(seen.insert(fd).second);
    }
    for (const int fd : seen) ::close(fd);
    EXPECT_EQ(poller_->attempt(*d, accept, trust::ask), -EAGAIN);
  }
}

TEST_P(poller_test, attempt_that_asks_finds_a_connection) {
  auto l = make_listener();
  handle d(*poller_, l.fd.get());
  const operation accept{opcode::accept, nullptr, 0, 0};
  for (int i = 0; i < 200; ++i) {
    const auto who = next_cookie(this);
    ASSERT_TRUE(poller_->start(*d, accept, who).pending);
    // That the last connection came may be told only now.
    const bool told = i % 2 == 0 && !nothing_comes();
    ASSERT_EQ(poller_->cancel(*d, direction::read, who), !told);
    const auto client = dial(l);
    const unique_fd server(static_cast<int>(poller_->attempt(*d, accept, trust::ask)));
    ASSERT_GE(server.get(), 0);
  }
}

TEST_P(poller_test, closing_a_listener_resets_who_was_not_accepted) {
  const auto before = descriptors_of_process();
  for (int i = 0; i < 200; ++i) {
    auto l = make_listener();
    std::vector<unique_fd> clients;
    {
      handle d(*poller_, l.fd.get());
      const operation accept{opcode::accept, nullptr, 0, 0};
      const bool pending = poller_->start(*d, accept, next_cookie(this)).pending;
      ASSERT_TRUE(pending);
      if (i % 2 == 0) {
        EXPECT_TRUE(nothing_comes());
      }
      for (int n = 0; n < i % 4; ++n) clients.push_back(dial(l));
      if (i % 3 == 0 && !clients.empty()) collect(1);
    }
    l.fd.reset();
    for (const auto& c : clients) EXPECT_TRUE(reset_by_peer(c.get())) << i;
  }
  EXPECT_EQ(descriptors_of_process(), before);
}

TEST_P(poller_test, accept_without_a_descriptor_to_spare_says_so_and_goes_on) {
  if (WEFT_ASAN != 0) GTEST_SKIP() << "UBSan opens a pipe to look at an object";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto runs_out = [this] {
    auto l = make_listener();
    handle d(*poller_, l.fd.get());
    const operation accept{opcode::accept, nullptr, 0, 0};
    const operation readable{opcode::readable, nullptr, 0, 0};
    const unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto few = static_cast<rlim_t>(client.get()) + 3;
    const rlimit limit{few, few};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (!poller_->start(*d, accept, next_cookie(this)).pending) std::_Exit(1);
    std::vector<unique_fd> all;
    for (int fd = 0; (fd = ::dup(0)) >= 0;) all.emplace_back(fd);
    const auto* where = reinterpret_cast<const sockaddr*>(&l.address);
    if (::connect(client.get(), where, sizeof l.address) != 0) std::_Exit(2);
    collect(1);
    if (run(*d, accept) != -EMFILE || run(*d, readable) != 0) std::_Exit(3);
    if (run(*d, accept) != -EMFILE) std::_Exit(4);
    all.pop_back();
    std::_Exit(run(*d, accept) >= 0 ? 0 : 5);
  };
  EXPECT_EXIT(runs_out(), testing::ExitedWithCode(0), "");
}

TEST_P(poller_test, goes_with_connections_that_nobody_accepted) {
  const auto before = descriptors_of_process();
  auto first = make_listener();
  auto second = make_listener();
  std::vector<unique_fd> clients;
  int error = 0;
  for (auto* l : {&first, &second}) {
    descriptor* d = poller_->open(l->fd.get(), &error, GetParam().who);
    ASSERT_NE(d, nullptr);
    const operation accept{opcode::accept, nullptr, 0, 0};
    ASSERT_TRUE(poller_->start(*d, accept, next_cookie(this)).pending);
  }
  clients.push_back(dial(first));
  collect(1);
  clients.push_back(dial(second));
  poller_.reset();
  first.fd.reset();
  second.fd.reset();
  for (const auto& c : clients) EXPECT_TRUE(reset_by_peer(c.get()));
  clients.clear();
  EXPECT_LE(descriptors_of_process(), before);  // the poller's own have gone as well
}

TEST_P(poller_test, end_of_a_poller_interrupts_no_call) {
  auto ends = make_socketpair();
  ASSERT_EQ(::fcntl(ends.a.get(), F_SETFL, 0), 0);
  // Such calls are not begun again behind a signal; this one has nothing else to wait for.
  const timeval limit{0, 1000};
  ::setsockopt(ends.a.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  for (int i = 0; i < 50; ++i) {
    poller_ = GetParam().make();
    EXPECT_TRUE(nothing_comes());
    poller_.reset();
    char byte = 0;
    ASSERT_EQ(::read(ends.a.get(), &byte, 1), -1);
    ASSERT_EQ(errno, EAGAIN);
  }
}

TEST_P(poller_test, goes_while_operations_are_pending) {
  auto tcp = make_tcp();
  auto local = make_socketpair();
  std::array<char, 16> buffer;
  int error = 0;
  for (const int fd : {tcp.a.get(), local.a.get()}) {
    descriptor* d = poller_->open(fd, &error, GetParam().who);
    ASSERT_NE(d, nullptr);
    ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
  }
  EXPECT_TRUE(nothing_comes());
  poller_.reset();
  EXPECT_EQ(::write(tcp.b.get(), "hello", 5), 5);
  EXPECT_EQ(::write(local.b.get(), "hello", 5), 5);
}

TEST_P(poller_test, misuse_asserts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto pipe = make_pipe();
  handle d(*poller_, pipe.a.get());
  std::array<char, 16> buffer;
  ASSERT_TRUE(poller_->start(*d, read_into(buffer), next_cookie(this)).pending);
  EXPECT_DEATH((void)poller_->start(*d, read_into(buffer), next_cookie(this)),
               "two operations pending");
  std::array<completion, 1> one;
  EXPECT_DEATH((void)poller_->wait(one, 0), "both directions");
  EXPECT_DEATH(poller_->release(*d), "that is open");
}

TEST(make_poller, environment_picks_the_backend) {
  ::unsetenv("WEFT_POLLER");
  EXPECT_STREQ(make_poller()->name(), "epoll");
  ::setenv("WEFT_POLLER", "poll", 1);
  EXPECT_STREQ(make_poller()->name(), "poll");
  ::setenv("WEFT_POLLER", "epoll", 1);
  EXPECT_STREQ(make_poller()->name(), "epoll");
  if (uring_with({}) != nullptr) {
    ::setenv("WEFT_POLLER", "io_uring", 1);
    EXPECT_STREQ(make_poller()->name(), "io_uring");
  }
  ::unsetenv("WEFT_POLLER");
}

// says_so_once: in a process where `number` fails with `code`: 0 if asking for io_uring, twice,
// gives epoll, and one line that has `text` in it.
int says_so_once(long number, int code, const char* text) {
  const int said = ::memfd_create("said", 0);
  if (said < 0 || !poll_test::refuse_system_call(number, code)) return 0;
  ::dup2(said, STDERR_FILENO);
  ::setenv("WEFT_POLLER", "io_uring", 1);
  for (int i = 0; i < 2; ++i) {
    if (std::string_view(make_poller()->name()) != "epoll") return 2;
  }
  std::array<char, 1000> line{};
  const auto size = ::pread(said, line.data(), line.size() - 1, 0);
  const std::string_view all(line.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return all.contains(text) && all.contains("using epoll") && all.find('\n') == all.size() - 1 ? 0
                                                                                               : 3;
}

TEST(make_poller_death_test, io_uring_refused_is_epoll_and_says_so_once) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exits = [](long number, int code, const char* text) {
    std::_Exit(says_so_once(number, code, text));
  };
  const auto well = ::testing::ExitedWithCode(0);
  EXPECT_EXIT(exits(SYS_io_uring_setup, EPERM, "kernel.io_uring_disabled=0"), well, "");
  EXPECT_EXIT(exits(SYS_io_uring_setup, ENOSYS, "needs Linux 6.1"), well, "");
  EXPECT_EXIT(exits(SYS_io_uring_setup, EMFILE, "limit of open files"), well, "");
  EXPECT_EXIT(exits(SYS_io_uring_register, EPERM, "IORING_REGISTER_PROBE"), well, "");
}

TEST(make_poller_death_test, unknown_backend_lists_the_valid_ones) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ::setenv("WEFT_POLLER", "kqueue", 1);
  EXPECT_EXIT((void)make_poller(), ::testing::ExitedWithCode(2),
              "'kqueue': valid are epoll, io_uring, poll");
  ::unsetenv("WEFT_POLLER");
}

}  // namespace
}  // namespace weft::poll
