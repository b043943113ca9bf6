// cluster: the paper's process cluster. Child RECV reads from the client and starts Child SEND,
// which writes to it; the pipe between them takes the place of the chat file. POSIX alone.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "serve/children.h"
#include "serve/output.h"
#include "serve/socket.h"

namespace lab {

namespace {

// child_send: sends what comes out of the pipe until nobody writes to it any more.
void child_send(int client, int from, std::size_t buffer_size) {
  std::vector<char> buffer(buffer_size);
  for (;;) {
    const auto n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || !write_all(client, {buffer.data(), static_cast<std::size_t>(n)})) return;
  }
}

// child_recv: prints what the client sends, or hands it to Child SEND.
void child_recv(int client, int to, const serve_options& options) {
  const output out(options.how, published_form::c);
  std::vector<char> buffer(out.buffer_size());
  for (;;) {
    const auto n = ::read(client, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    const std::span<const char> bytes(buffer.data(), static_cast<std::size_t>(n));
    if (!options.echo) {
      out.print(bytes);
    } else if (!write_all(to, bytes)) {
      return;
    }
  }
}

[[noreturn]] void serve_as_cluster(int client, const serve_options& options) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) die("pipe");
  const pid_t send = ::fork();
  if (send < 0) die("fork");
  if (send == 0) {
    close_fd(pipe[1]);
    child_send(client, pipe[0], output(options.how, published_form::c).buffer_size());
    ::_exit(0);
  }
  close_fd(pipe[0]);
  child_recv(client, pipe[1], options);
  close_fd(pipe[1]);
  close_fd(client);
  std::exit(0);
}

}  // namespace

void serve_cluster(const serve_options& options) {
  reap_children();
  ::signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(options);
  announce(options.host, port_of(listener));
  for (;;) {
    const int client = accept_client(listener);
    const pid_t recv = ::fork();
    if (recv < 0) die("fork");
    if (recv == 0) {
      close_fd(listener);
      serve_as_cluster(client, options);
    }
    close_fd(client);
  }
}

}  // namespace lab
