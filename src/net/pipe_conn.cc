#include <weft/net/pipe_conn.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/lock.h"
#include "net/buffer_pool.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/wait.h"

// pipe_conn: two lanes, one a direction.
//
// Purpose. A write meets reads without a buffer in between: the bytes go from the writer's memory
// to the reader's, copied by whoever comes second, under the lane's lock, and little at a time.
//
// I1  offer_ is what the writer that has the turn (busy_) has not got rid of; its memory stands
//     while it is not empty, because the writer takes the offer back under the lock before it
//     leaves.
// I2  A reader in readers_ is given bytes only with a claim that won, under the lock; it looks at
//     what it got under the lock again. Bytes in the room of one that was lost mean nothing.
// I3  Nobody waits where it could go on: what changes that (an offer, an end, a moved deadline)
//     wakes those whom it may concern, and they look again.
//
// Rejected: copying outside of the lock, with one side held until the other has done: a third state
// for each, for copies that take a microsecond. Channels, as Go does it: three of them a lane, and
// a select that knows no limits.
//
// Locks: lane::lock_ (rank sync). Tests: pipe_conn_test.cc.

namespace weft::net {
namespace {

using sched::wait_reason;

constexpr std::size_t transfer_max = 4096;  // bytes copied under the lock

constexpr sched::token token_look_again = sched::token_first_case;

bool passed(std::int64_t deadline_ns) noexcept {
  return deadline_ns != sched::none_due && sched::now_ns() >= deadline_ns;
}

using code = std::optional<std::error_code>;

class lane {
 public:
  result<std::size_t> read(std::span<char> buffer, const sched::limits& l) noexcept {
    const sched::waiting_gate inside;
    for (code ended;;) {
      {
        sched::wake_list woken;
        const base::locked hold(lock_);
        const auto refused = why_no_read_locked();
        if (!refused && buffer.empty()) return 0;
        if (!refused && !offer_.empty()) return take_locked(buffer, woken);
        if (refused) return std::unexpected(error(*refused, "read pipe"));
        if (write_ended_) return std::unexpected(errc::eof);
        if (ended) return std::unexpected(error(*ended, "read pipe"));
      }
      sched::wait w(wait_reason::io_read, this);
      reader_node node;
      node.who = &w.who();
      node.at = w.at();
      node.room = buffer.first(std::min(buffer.size(), transfer_max));
      auto part = l;
      {
        const base::locked hold(lock_);
        if (why_no_read_locked() || write_ended_ || !offer_.empty()) continue;  // I3
        readers_.push_back(node);
        part.deadline_ns = std::min(l.deadline_ns, read_deadline_ns_);
      }
      const auto by = w.park(part);
      const base::locked hold(lock_);
      if (node.linked()) readers_.remove(node);
      if (by == sched::token_ready) return node.got;  // I2
      ended = ended_by(by, l);
    }
  }

  write_result write(std::span<const char> bytes, const sched::limits& l) noexcept {
    const sched::waiting_gate inside;
    if (const auto why = take_turn(l)) {
      return std::unexpected(write_error(error(*why, "write pipe"), 0));
    }
    const auto why = offer(bytes, l);
    sched::wake_list woken;
    const base::locked hold(lock_);
    const auto written = bytes.size() - offer_.size();
    offer_ = {};  // I1
    busy_ = false;
    wake_one(writers_, woken);
    if (written == bytes.size()) return written;
    return std::unexpected(write_error(error(*why, "write pipe"), written));
  }

  // end_writing, end_reading: `gone`: the end is closed; else its direction alone. False if that
  // end was closed before.
  bool end_writing(bool gone) noexcept { return end(write_ended_, writer_gone_, gone); }
  bool end_reading(bool gone) noexcept { return end(read_ended_, reader_gone_, gone); }

  void set_read_deadline(std::int64_t deadline_ns) noexcept {
    move(read_deadline_ns_, deadline_ns);
  }
  void set_write_deadline(std::int64_t deadline_ns) noexcept {
    move(write_deadline_ns_, deadline_ns);
  }

 private:
  struct reader_node : sched::wait_node {
    std::span<char> room;
    std::size_t got = 0;  // guarded by lock_
  };

  [[nodiscard]] code why_no_read_locked() const noexcept {
    if (reader_gone_) return make_error_code(errc::closed);
    if (read_ended_) return make_error_code(errc::eof);
    if (passed(read_deadline_ns_)) return make_error_code(errc::timeout);
    return std::nullopt;
  }
  [[nodiscard]] code why_no_write_locked() const noexcept {
    if (writer_gone_) return make_error_code(errc::closed);
    if (write_ended_ || read_ended_) return std::error_code(EPIPE, std::system_category());
    if (passed(write_deadline_ns_)) return make_error_code(errc::timeout);
    return std::nullopt;
  }
  // ended_by: what the caller's own limit says of a wait that `by` ended; nothing for the rest.
  static code ended_by(sched::token by, const sched::limits& l) noexcept {
    const bool own =
        by == sched::token_cancelled || (by == sched::token_timeout && passed(l.deadline_ns));
    return own ? code(sched::code_of(by, l)) : std::nullopt;
  }

  std::size_t take_locked(std::span<char> buffer, sched::wake_list& woken) noexcept {
    const auto n = std::min({buffer.size(), offer_.size(), transfer_max});
    std::memcpy(buffer.data(), offer_.data(), n);
    offer_ = offer_.subspan(n);
    if (offer_.empty()) wake_one(offering_, woken);
    return n;
  }

  void give_locked(sched::wake_list& woken) noexcept {
    while (!offer_.empty()) {
      auto* node = static_cast<reader_node*>(readers_.pop_front());
      if (node == nullptr) return;
      const auto n = std::min(node->room.size(), offer_.size());
      std::memcpy(node->room.data(), offer_.data(), n);
      if (!woken.claim(*node->who, node->at, sched::token_ready)) continue;  // I2
      node->got = n;
      offer_ = offer_.subspan(n);
    }
  }

  // take_turn: nothing when the caller may offer.
  code take_turn(const sched::limits& l) noexcept {
    for (code ended;;) {
      {
        const base::locked hold(lock_);
        if (const auto why = why_no_write_locked()) return why;
        if (!std::exchange(busy_, true)) return std::nullopt;
        if (ended) return ended;
      }
      ended = wait_in(writers_, l, [&] { return busy_; });
    }
  }

  // offer: until readers have taken all of it, or what ended it: then the rest is in offer_.
  code offer(std::span<const char> bytes, const sched::limits& l) noexcept {
    code ended;
    for (bool first = true;; first = false) {
      {
        sched::wake_list woken;
        const base::locked hold(lock_);
        if (first) offer_ = bytes;
        give_locked(woken);
        if (offer_.empty()) return std::nullopt;
        if (const auto why = why_no_write_locked()) return why;
        if (ended) return ended;
      }
      ended = wait_in(offering_, l, [&] { return !offer_.empty() && readers_.empty(); });
    }
  }

  // wait_in: of a writer, unless it could go on; what its own limit says then.
  template <class F>
  code wait_in(sched::wait_queue& queue, const sched::limits& l, F&& must_wait_locked) noexcept {
    sched::wait w(wait_reason::io_write, this);
    sched::wait_node node;
    node.who = &w.who();
    node.at = w.at();
    auto part = l;
    {
      const base::locked hold(lock_);
      if (why_no_write_locked() || !must_wait_locked()) return std::nullopt;  // I3
      queue.push_back(node);
      part.deadline_ns = std::min(l.deadline_ns, write_deadline_ns_);
    }
    const auto by = w.park(part);
    const base::locked hold(lock_);
    if (node.linked()) queue.remove(node);
    return ended_by(by, l);
  }

  static void wake_one(sched::wait_queue& queue, sched::wake_list& woken) noexcept {
    while (auto* node = queue.pop_front()) {
      if (woken.claim(*node->who, node->at, token_look_again)) return;
    }
  }
  void wake_all_locked(sched::wake_list& woken) noexcept {
    for (auto* queue : {&readers_, &writers_, &offering_}) {
      while (auto* node = queue->pop_front()) woken.claim(*node->who, node->at, token_look_again);
    }
  }
  bool end(bool& ended, bool& left, bool gone) noexcept {
    const sched::gate inside;
    sched::wake_list woken;
    const base::locked hold(lock_);
    if (left) return false;
    ended = true;
    left = gone;
    wake_all_locked(woken);
    return true;
  }
  void move(std::int64_t& deadline, std::int64_t to) noexcept {
    const sched::gate inside;
    sched::wake_list woken;
    const base::locked hold(lock_);
    deadline = to;
    wake_all_locked(woken);
  }

  base::lock<base::rank::sync> lock_;
  // All guarded by lock_.
  sched::wait_queue readers_;    // reader_nodes
  sched::wait_queue writers_;    // who wait for their turn
  sched::wait_queue offering_;   // who has it: one at most
  std::span<const char> offer_;  // I1
  bool busy_ = false;            // a writer has the turn
  bool write_ended_ = false;     // no more will be written
  bool read_ended_ = false;      // no more will be read
  bool writer_gone_ = false;     // the writing end is closed
  bool reader_gone_ = false;     // the reading end is closed
  std::int64_t read_deadline_ns_ = sched::none_due;
  std::int64_t write_deadline_ns_ = sched::none_due;
};

std::unexpected<error> closed_pipe(const char* op) {
  return std::unexpected(error(errc::closed, op));
}

}  // namespace

class pipe_state {
 public:
  // to, from: the lane that end 0 or 1 writes to, and reads from.
  [[nodiscard]] lane& to(std::size_t end) noexcept { return lanes_[end]; }
  [[nodiscard]] lane& from(std::size_t end) noexcept { return lanes_[1 - end]; }

  bool close(std::size_t end) noexcept {
    if (!to(end).end_writing(true)) return false;
    from(end).end_reading(true);
    return true;
  }

 private:
  std::array<lane, 2> lanes_;
};

std::pair<pipe_conn, pipe_conn> pipe() {
  auto state = std::make_shared<pipe_state>();
  return {pipe_conn(state, 0), pipe_conn(state, 1)};
}

pipe_conn::~pipe_conn() {
  if (state_ != nullptr) state_->close(end_);
}

result<std::size_t> pipe_conn::read(std::span<char> buffer, const limit& l) {
  const auto state = state_;  // stays while we are in it, whatever becomes of this end
  if (state == nullptr) return closed_pipe("read pipe");
  return state->from(end_).read(buffer, l.raw_io());
}

result<detail::lent_bytes> pipe_conn::borrow(const limit& l) {
  detail::lent_bytes lent(borrow_buffer(), conn::lend_max);
  const auto n = read(lent.room(), l);
  if (!n) return std::unexpected(n.error());
  lent.shrink(*n);
  return lent;
}

write_result pipe_conn::write(std::span<const char> bytes, const limit& l) {
  const auto state = state_;  // as in read()
  if (state == nullptr) return std::unexpected(write_error(closed_pipe("write pipe").error(), 0));
  return state->to(end_).write(bytes, l.raw_io());
}

write_result pipe_conn::writev(std::span<const std::span<const char>> pieces, const limit& l) {
  std::string whole;
  for (const auto piece : pieces) whole.append(piece.data(), piece.size());
  return write(whole, l);
}

void pipe_conn::set_deadline(clock::time_point t) noexcept {
  set_read_deadline(t);
  set_write_deadline(t);
}
void pipe_conn::set_read_deadline(clock::time_point t) noexcept {
  if (state_ != nullptr) state_->from(end_).set_read_deadline(limit(t).deadline_ns());
}
void pipe_conn::set_write_deadline(clock::time_point t) noexcept {
  if (state_ != nullptr) state_->to(end_).set_write_deadline(limit(t).deadline_ns());
}

result<void> pipe_conn::close_write() {
  if (state_ == nullptr || !state_->to(end_).end_writing(false)) return closed_pipe("close pipe");
  return {};
}

result<void> pipe_conn::close_read() {
  if (state_ == nullptr || !state_->from(end_).end_reading(false)) return closed_pipe("close pipe");
  return {};
}

result<void> pipe_conn::close() {
  if (state_ == nullptr || !state_->close(end_)) return closed_pipe("close pipe");
  return {};
}

}  // namespace weft::net
