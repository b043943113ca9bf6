#pragma once

// socket: POSIX sockets as the hand-written servers use them. What cannot go on ends the process
// with a message: these are servers of one experiment.

#include <cstddef>
#include <span>
#include <string_view>

#include "serve/server.h"

namespace lab {

// die: prints "lab: WHAT: errno's text" and ends the process with status 1.
[[noreturn]] void die(const char* what);

// listen_on: a listening descriptor. With `reuse_port` others may listen on the same address.
int listen_on(const serve_options& options, bool reuse_port = false);

// port_of: the port a listener has.
std::uint16_t port_of(int listener);

// announce: tells on standard error where the server listens: "listening on HOST:PORT".
void announce(std::string_view host, std::uint16_t port);

// accept_client: waits for a client. What befalls a single connection, and signals, are passed
// over. -1 on a non-blocking listener with nobody there.
int accept_client(int listener);

void set_nonblocking(int fd);

// write_all: blocks until all is written; false when the peer has gone.
bool write_all(int fd, std::span<const char> bytes);

// close_fd: close(2); nothing can be done about its failures.
void close_fd(int fd);

// serve_client: reads until the client ends and hands each read to the output: for all paradigms
// that block. Closes fd.
void serve_client(int fd, const serve_options& options);

}  // namespace lab
