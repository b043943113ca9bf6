#pragma once

// sockets: the system calls that open, name and end sockets, made of the kernel, or of what stands
// in its place in a simulation. Operations that may wait go through a poller (poller.h), which a
// simulation has its own of too.
//
// A simulated descriptor is a number that no kernel gives, and none is used twice in a process: so
// whoever keeps one for longer than its simulation finds that it is closed. Whose it is is asked of
// the calling thread (simulate_sockets).

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

namespace weft::poll {

// simulated_from: the first number of a simulated descriptor.
inline constexpr int simulated_from = 1 << 30;

[[nodiscard]] inline bool is_simulated(int fd) noexcept { return fd >= simulated_from; }

// simulated_sockets: in the kernel's place. Each gives what the system call of that name does, or
// -errno.
class simulated_sockets {
 public:
  simulated_sockets(const simulated_sockets&) = delete;
  simulated_sockets& operator=(const simulated_sockets&) = delete;
  virtual ~simulated_sockets() = default;

  virtual int socket(int family, int type) noexcept = 0;
  virtual int set_option(int fd, int level, int name, int value) noexcept = 0;
  virtual int bind(int fd, const sockaddr* to, socklen_t size) noexcept = 0;
  virtual int listen(int fd, int backlog) noexcept = 0;
  // connect: of datagram sockets, which do not wait.
  virtual int connect(int fd, const sockaddr* to, socklen_t size) noexcept = 0;
  virtual int name(int fd, bool of_peer, sockaddr_storage& out, socklen_t& size) noexcept = 0;
  virtual int shutdown(int fd, int how) noexcept = 0;
  virtual void close(int fd) noexcept = 0;
  // look_up: the address of a host; false if there is none of that name.
  virtual bool look_up(const std::string& host, in_addr& out) noexcept = 0;

 protected:
  simulated_sockets() = default;
};

// simulate_sockets: what the calling thread opens from now on is `of`'s, for TCP and UDP; null: the
// kernel's.
void simulate_sockets(simulated_sockets* of) noexcept;
// sockets_here: what was said last on this thread.
[[nodiscard]] simulated_sockets* sockets_here() noexcept;

// As the system calls, errno included.
[[nodiscard]] int open_socket(int family, int type) noexcept;
[[nodiscard]] int set_socket_option(int fd, int level, int name, int value) noexcept;
[[nodiscard]] int bind_socket(int fd, const sockaddr* to, socklen_t size) noexcept;
[[nodiscard]] int listen_socket(int fd, int backlog) noexcept;
[[nodiscard]] int connect_socket(int fd, const sockaddr* to, socklen_t size) noexcept;
[[nodiscard]] int socket_name(int fd, sockaddr_storage& out, socklen_t& size) noexcept;
[[nodiscard]] int peer_name(int fd, sockaddr_storage& out, socklen_t& size) noexcept;
[[nodiscard]] int shut_socket(int fd, int how) noexcept;
void close_descriptor(int fd) noexcept;

}  // namespace weft::poll
