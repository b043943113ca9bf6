#include "server/outbox.h"

#include <mutex>

#include <weft/go.h>

namespace tertulia {

namespace {

// What a writer takes at a time: enough for the kernel, small beside the marks.
constexpr std::size_t piece_size_max = 64 * 1024;

}  // namespace

outbox::outcome outbox::send(std::string_view bytes) {
  const std::lock_guard hold(lock_);
  if (shut_) return outcome::shut;
  if (!has_writer_) {
    const auto written = conn_->try_write(bytes);
    if (!written) {
      shut_ = true;  // the reader finds out the reason on its own
      return outcome::shut;
    }
    bytes.remove_prefix(*written);
    if (bytes.empty()) return outcome::accepted;
  }
  if (queue_.size() + in_flight_ + bytes.size() > options_.hard_max) {
    shut_ = true;
    queue_ = std::string();
    return outcome::overflow;
  }
  queue_ += bytes;
  if (!has_writer_) {
    has_writer_ = true;
    weft::go({.name = "client writer"}, [self = shared_from_this()] { self->write_loop(); });
  }
  return outcome::accepted;
}

void outbox::write_loop() {
  std::string piece;
  while (take_piece(piece)) wrote(conn_->write(piece, options_.stall_max).has_value());
}

// take_piece: the next bytes to write; false, and no writer any more, when there are none.
bool outbox::take_piece(std::string& piece) {
  const std::lock_guard hold(lock_);
  if (shut_ || queue_.empty()) {
    has_writer_ = false;
    queue_ = std::string();
    return false;
  }
  if (queue_.size() <= piece_size_max) {
    piece.swap(queue_);
    queue_.clear();
  } else {
    piece.assign(queue_, 0, piece_size_max);
    queue_.erase(0, piece_size_max);
  }
  in_flight_ = piece.size();
  return true;
}

void outbox::wrote(bool ok) {
  {
    const std::lock_guard hold(lock_);
    in_flight_ = 0;
    ++taken_;
    if (!ok) shut_ = true;
  }
  if (!ok) conn_->close();  // the reader ends the client
  static_cast<void>(progress_.try_send(true));
}

bool outbox::wait_below(std::size_t size, const weft::limit& until) {
  for (;;) {
    {
      const std::lock_guard hold(lock_);
      if (shut_ || queue_.size() + in_flight_ < size) return true;
    }
    if (!progress_.recv(until)) return false;
  }
}

std::uint64_t outbox::taken() {
  const std::lock_guard hold(lock_);
  return taken_;
}

void outbox::shut() {
  {
    const std::lock_guard hold(lock_);
    shut_ = true;
  }
  static_cast<void>(progress_.try_send(true));
}

}  // namespace tertulia
