#pragma once

// outbox: what a client is still to receive.
//
// send() writes to the connection at once, without blocking, as long as nothing waits before it.
// What the kernel does not take is queued, and a goroutine is started that writes the queue and
// ends when it is empty: a client that keeps up costs no goroutine and no buffer.
//
// States, changed under lock_ only:
//   idle      queue empty, no writer: send() tries the connection itself
//   draining  a writer goroutine exists; send() appends
//   shut      overflown, failed or closed: send() drops
// I1 bytes leave in the order of send(): either nothing waits, or the writer alone writes.
// I2 at most one writer exists; it is the only one that takes bytes from the queue.
// I3 waiting bytes never exceed hard_max; send() shuts the outbox instead.
//
// send() never waits for the peer: under lock_ there is one non-blocking write at most, so whoever
// sends to many (a channel's owner) is not held up by one. Only the client's own reader waits, in
// wait_below(); the writer wakes it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <weft/channel.h>
#include <weft/limit.h>
#include <weft/mutex.h>
#include <weft/net/conn.h>

namespace tertulia {

class outbox : public std::enable_shared_from_this<outbox> {
 public:
  // `conn` outlives the outbox's writer: `keep_alive` holds it. The stall limit is how long a
  // writer waits for a peer that takes nothing.
  struct options {
    std::size_t hard_max;
    weft::limit::clock::duration stall_max;
  };
  outbox(std::shared_ptr<weft::net::conn> conn, options o) : conn_(std::move(conn)), options_(o) {}
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  enum class outcome {
    accepted,  // written, or queued
    overflow,  // this send went past hard_max: the outbox is shut now
    shut,      // it was shut before
  };

  // send: whole lines. Never blocks.
  outcome send(std::string_view bytes);

  // wait_below: waits until fewer than `size` bytes wait; false when the limit ended it or the
  // outbox was shut. One goroutine at a time.
  [[nodiscard]] bool wait_below(std::size_t size, const weft::limit& until);

  // taken: a number that rises when a peer that had to be waited for has taken something.
  [[nodiscard]] std::uint64_t taken();

  // shut: drops what waits; the writer ends. Does not close the connection.
  void shut();

 private:
  void write_loop();
  bool take_piece(std::string& piece);
  void wrote(bool ok);

  const std::shared_ptr<weft::net::conn> conn_;
  const options options_;

  weft::mutex lock_;
  // Guarded by lock_:
  std::string queue_;          // bytes no writer has taken yet
  std::size_t in_flight_ = 0;  // bytes the writer holds
  std::uint64_t taken_ = 0;    // pieces the writer got rid of
  bool has_writer_ = false;
  bool shut_ = false;

  weft::channel<bool> progress_{1};  // poked when the writer got rid of something
};

}  // namespace tertulia
