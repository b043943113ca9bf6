#pragma once

// call: the stay of one call in a descriptor, and the transfers that conn and poll_fd share.

#include <weft/error.h>
#include <weft/limit.h>
#include <weft/net/conn.h>

#include <span>

#include "net/pollable.h"

namespace weft::net {

// call: in one direction, from its making to its end. False if it could not enter; why() says why,
// and the pollable may be gone.
class [[nodiscard]] call {
 public:
  call(pollable& io, poll::direction dir, verb what, sched::wait_reason reason,
       const sched::limits& l) noexcept
      : io_(io), dir_(dir), entered_(io.enter(dir, what, reason, l)) {}
  ~call() {
    if (*this) io_.leave(dir_);
  }
  call(const call&) = delete;
  call& operator=(const call&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return entered_.has_value(); }
  [[nodiscard]] const error& why() const noexcept { return entered_.error(); }

 private:
  pollable& io_;
  const poll::direction dir_;
  const result<void> entered_;
};

// held_call: beside the directions. False if the descriptor is closed.
class [[nodiscard]] held_call {
 public:
  explicit held_call(pollable& io) noexcept : io_(io), held_(io.hold()) {}
  ~held_call() {
    if (held_) io_.unhold();
  }
  held_call(const held_call&) = delete;
  held_call& operator=(const held_call&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return held_; }

 private:
  pollable& io_;
  const bool held_;
};

// read_operation: for `buffer`. Of a packet that does not fit it gives the whole length.
[[nodiscard]] poll::operation read_operation(const pollable& io, std::span<char> buffer) noexcept;

// transferred: the count of a read into `room` bytes; 0 is the end of the stream, and a packet that
// did not fit EMSGSIZE.
[[nodiscard]] result<std::size_t> transferred(const pollable& io, const pollable::outcome& o,
                                              std::size_t room, const sched::limits& l) noexcept;

// read_some, write_all, write_now: conn::read, write and try_write.
[[nodiscard]] result<std::size_t> read_some(pollable& io, std::span<char> buffer, const limit& l);
[[nodiscard]] write_result write_all(pollable& io, std::span<const char> bytes, const limit& l);
[[nodiscard]] result<std::size_t> write_now(pollable& io, std::span<const char> bytes);

// local_address: of the socket; none when it is closed.
[[nodiscard]] address local_address(pollable& io) noexcept;

}  // namespace weft::net
