#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <weft/net/conn.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "net/buffer_pool.h"
#include "net/call.h"
#include "net/pollable.h"
#include "poll/sockets.h"
#include "sched/gate.h"

namespace weft::net {
namespace {

using poll::direction;
using poll::opcode;
using sched::wait_reason;

constexpr std::size_t pieces_max = 64;  // of one system call; the rest goes with the next

std::unexpected<error> closed_conn(const char* op) {
  return std::unexpected(error(errc::closed, op));
}

// pieces: what is left of the data of a gathering write, as the kernel takes it.
class piece_cursor {
 public:
  explicit piece_cursor(std::span<const std::span<const char>> pieces) noexcept : rest_(pieces) {}

  // fill: the next vectors; fewer than the pieces when there are many.
  std::span<iovec> fill(std::span<iovec> out) const noexcept {
    std::size_t n = 0;
    std::size_t skip = offset_;
    for (const auto piece : rest_) {
      if (n == out.size()) break;
      const auto left = piece.subspan(std::exchange(skip, 0));
      if (!left.empty()) out[n++] = {const_cast<char*>(left.data()), left.size()};
    }
    return out.first(n);
  }

  // all_in: whether nothing is left behind what fill() gave.
  bool all_in(std::span<const iovec> filled) const noexcept {
    std::size_t bytes = 0;
    for (const auto& each : filled) bytes += each.iov_len;
    auto behind = *this;
    behind.advance(bytes);
    std::array<iovec, 1> more;
    return behind.fill(more).empty();
  }

  void advance(std::size_t bytes) noexcept {
    while (!rest_.empty() && bytes >= rest_.front().size() - offset_) {
      bytes -= rest_.front().size() - std::exchange(offset_, 0);
      rest_ = rest_.subspan(1);
    }
    offset_ += bytes;
  }

 private:
  std::span<const std::span<const char>> rest_;
  std::size_t offset_ = 0;  // into the first piece
};

}  // namespace

void conn::drop() noexcept { std::exchange(io_, nullptr)->drop(); }

result<std::size_t> conn::read(std::span<char> buffer, const limit& l) {
  if (io_ == nullptr) return closed_conn("read");
  return read_some(*io_, buffer, l);
}

result<detail::lent_bytes> conn::borrow(const limit& l) {
  if (io_ == nullptr) return closed_conn("read");
  pollable& io = *io_;  // what is destroyed under us is the handle, not this
  const auto limits = l.raw_io();
  const call c(io, direction::read, verb::read, wait_reason::io_read, limits);
  if (!c) return std::unexpected(c.why());
  pollable::outcome o;
  for (auto how = poll::trust::rely;;) {  // each round has waited for an event
    {
      const sched::waiting_gate counted(sched::waiting_gate::system_call);
    }
    {
      detail::lent_bytes lent(borrow_buffer(), lend_max);
      const auto room = lent.room();
      const auto n = io.attempt(read_operation(io, room), how);
      if (n == -EAGAIN && how == poll::trust::ask)
        return std::unexpected(io.failure(verb::read, o, limits));
      if (n != -EAGAIN) {
        const auto size = transferred(io, {sched::token_ready, n}, room.size(), limits);
        if (!size) return std::unexpected(size.error());
        lent.shrink(*size);
        return lent;
      }
    }
    o = io.await(direction::read, wait_reason::io_read, limits);
    if (o.by == sched::token_timeout || o.by == sched::token_cancelled) {
      how = poll::trust::ask;  // a last time: what is there is read
    } else if (o.by != sched::token_ready || o.value < 0) {
      return std::unexpected(io.failure(verb::read, o, limits));
    }
  }
}

void detail::lent_bytes::give_back() noexcept { return_buffer(std::exchange(buffer_, nullptr)); }

write_result conn::write(std::span<const char> bytes, const limit& l) {
  if (io_ == nullptr) return std::unexpected(write_error(closed_conn("write").error(), 0));
  return write_all(*io_, bytes, l);
}

write_result conn::writev(std::span<const std::span<const char>> pieces, const limit& l) {
  if (io_ == nullptr) return std::unexpected(write_error(closed_conn("write").error(), 0));
  pollable& io = *io_;  // as in borrow()
  const auto limits = l.raw_io();
  const call c(io, direction::write, verb::write, wait_reason::io_write, limits);
  if (!c) return std::unexpected(write_error(c.why(), 0));
  piece_cursor cursor(pieces);
  std::array<iovec, pieces_max> vectors;
  std::size_t written = 0;
  for (;;) {
    const auto next = cursor.fill(vectors);
    if (next.empty()) return written;
    if (io.kind() == transport::unix_packet && !cursor.all_in(next)) {
      const auto code = std::make_error_code(std::errc::message_size);
      return std::unexpected(write_error(io.failure(verb::write, code), 0));
    }
    const auto o =
        io.run({opcode::writev, next.data(), next.size(), 0}, wait_reason::io_write, limits);
    if (o.by != sched::token_ready || o.value < 0) {
      return std::unexpected(write_error(io.failure(verb::write, o, limits), written));
    }
    written += static_cast<std::size_t>(o.value);
    cursor.advance(static_cast<std::size_t>(o.value));
  }
}

result<std::size_t> conn::try_write(std::span<const char> bytes) {
  if (io_ == nullptr) return closed_conn("write");
  return write_now(*io_, bytes);
}

void conn::set_deadline(clock::time_point t) noexcept {
  set_read_deadline(t);
  set_write_deadline(t);
}
void conn::set_read_deadline(clock::time_point t) noexcept {
  if (io_ != nullptr) io_->set_deadline(direction::read, limit(t).deadline_ns());
}
void conn::set_write_deadline(clock::time_point t) noexcept {
  if (io_ != nullptr) io_->set_deadline(direction::write, limit(t).deadline_ns());
}

result<void> conn::close_write() { return shut(SHUT_WR); }

result<void> conn::close_read() { return shut(SHUT_RD); }

result<void> conn::shut(int how) {
  if (io_ == nullptr) return closed_conn("close");
  const held_call c(*io_);
  if (!c) return std::unexpected(io_->failure(verb::close, make_error_code(errc::closed)));
  if (poll::shut_socket(io_->fd(), how) == 0) return {};
  return std::unexpected(io_->failure(verb::close, std::error_code(errno, std::system_category())));
}

result<void> conn::close() {
  if (io_ == nullptr) return closed_conn("close");
  if (io_->close()) return {};
  return std::unexpected(io_->failure(verb::close, make_error_code(errc::closed)));
}

address conn::local_address() const {
  return io_ != nullptr ? net::local_address(*io_) : address();
}

address conn::remote_address() const { return io_ != nullptr ? io_->peer() : address(); }

result<void> conn::set_nodelay(bool on) {
  if (io_ == nullptr) return closed_conn("set");
  const held_call c(*io_);
  if (!c) return std::unexpected(io_->failure(verb::control, make_error_code(errc::closed)));
  if (poll::set_socket_option(io_->fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0) == 0) return {};
  return std::unexpected(
      io_->failure(verb::control, std::error_code(errno, std::system_category())));
}

int conn::native_handle() const noexcept { return io_ != nullptr ? io_->fd() : -1; }

}  // namespace weft::net
