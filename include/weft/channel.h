#pragma once

// channel: hands values from one goroutine to another, in order.
//
//   weft::channel<int> jobs(64);             // room for 64; channel<int>(0) hands over directly
//   weft::go([jobs] {
//     for (int job : jobs) work(job);        // until it is closed and drained
//   });
//   jobs.send(7);                            // waits while it is full
//   if (auto job = jobs.recv(50ms)) ...      // a value, or errc::timeout, errc::closed
//   jobs.close();
//
// A channel is a handle: copies are the same channel, which lives as long as one of them. It may be
// used by any number of goroutines and plain threads at once. When a value has changed hands either
// side may drop its handle, though the other side's call has not returned.
//
// A default-constructed handle is the nil channel: send and recv wait for ever (or for their
// limit), a select never chooses it, close throws.
//
// Order. Values arrive in the order in which they were sent; who waited longest is served first,
// and who is woken has its value already. What was done before a send is seen by whoever receives
// the value; the n-th recv from a channel with room for c is seen by the (n+c)-th send.
//
// Closing says that no more will be sent. Receivers drain what is there, then learn errc::closed.
// Sending afterwards, and having waited to send at that moment, throws misuse_error.
//
// T must be nothrow-move-constructible. Trivially copyable ones of up to 128 bytes are copied as
// bytes; others travel on the heap. No code of T runs under a lock.

#include <weft/detail/channel_core.h>
#include <weft/detail/element.h>
#include <weft/error.h>
#include <weft/limit.h>

#include <cstddef>
#include <iterator>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class channel;
template <class T>
class sender;
template <class T>
class receiver;

namespace detail {

// channel_handle: counts one of each of `Ends` of a channel.
template <ends Ends>
class channel_handle {
 public:
  channel_handle() noexcept = default;
  channel_handle(const channel_handle& other) noexcept : channel_handle(other.core_) {}
  channel_handle(channel_handle&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  channel_handle& operator=(channel_handle other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~channel_handle() {
    if (core_ != nullptr) release_channel(*core_, Ends);
  }

  // size, capacity: how many values it holds now, and how many it has room for. 0 for nil.
  [[nodiscard]] std::size_t size() const noexcept { return channel_size(core_); }
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_capacity(core_); }

  // Whether it is not the nil channel.
  explicit operator bool() const noexcept { return core_ != nullptr; }

  // core: for select, a loan.
  [[nodiscard]] channel_core* core() const noexcept { return core_; }

 protected:
  // Of a channel, with ends of its own.
  explicit channel_handle(channel_core* of) noexcept : core_(of) {
    if (core_ != nullptr) retain_channel(*core_, Ends);
  }
  // adopt: takes over the ends that the caller has.
  static channel_handle adopt(channel_core* counted) noexcept {
    channel_handle made;
    made.core_ = counted;
    return made;
  }

 private:
  channel_core* core_ = nullptr;
};

// receiving: the operations of those who receive. `Handle` is the class that has them.
template <class T, class Handle>
class receiving {
 public:
  // recv: the next value. Waits until there is one, it is closed and drained (errc::closed), or `l`
  // ends the wait (errc::timeout, errc::cancelled).
  result<T> recv(const limit& l = {}) const {
    incoming<T> in;
    const auto outcome = channel_recv(own_core(), in.slot(), l);
    if (outcome == channel_outcome::done) return in.template take<result<T>>(std::in_place);
    return std::unexpected(error_of(outcome, "chan receive"));
  }

  // try_recv: the same without waiting; std::errc::operation_would_block if there is nothing now.
  result<T> try_recv() const {
    incoming<T> in;
    const auto outcome = channel_try_recv(own_core(), in.slot());
    if (outcome == channel_outcome::done) return in.template take<result<T>>(std::in_place);
    return std::unexpected(error_of(outcome, "chan receive"));
  }

  // has_senders: whether anybody can send yet: a `channel` or a `sender` handle is left somewhere,
  // the one that is asked included, or a send waits. Once false it stays so: what is buffered is
  // all that will ever come. Always true of a timer; false for nil.
  [[nodiscard]] bool has_senders() const noexcept { return channel_has(own_core(), sending_end); }

  // iterator: receives; the end is when the channel is closed and drained.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T*;
    using reference = T&;

    iterator() noexcept = default;
    explicit iterator(const receiving& from) : from_(&from) { ++*this; }
    T& operator*() const noexcept { return *value_; }
    T* operator->() const noexcept { return &*value_; }
    iterator& operator++() {
      value_.reset();
      if (auto next = from_->recv()) value_.emplace(std::move(*next));
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
      return !i.value_.has_value();
    }

   private:
    const receiving* from_ = nullptr;
    mutable std::optional<T> value_;
  };

  [[nodiscard]] iterator begin() const { return iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  channel_core* own_core() const noexcept { return static_cast<const Handle&>(*this).core(); }
};

// sending: the operations of those who send.
template <class T, class Handle>
class sending {
 public:
  // send: waits until a receiver or the buffer has taken the value. Throws misuse_error ("send on
  // closed channel") if it is closed, before or meanwhile.
  void send(const T& value) const { static_cast<void>(hand_over(outgoing<T>(value), {})); }
  void send(T&& value) const { static_cast<void>(hand_over(outgoing<T>(std::move(value)), {})); }

  // send with a limit: an error (errc::timeout, errc::cancelled) means that the value was not sent;
  // `value` is then as it was.
  result<void> send(const T& value, const limit& l) const {
    return result_of(hand_over(outgoing<T>(value), l));
  }
  result<void> send(T&& value, const limit& l) const {
    return result_of(hand_over(outgoing<T>(std::move(value)), l));
  }

  // try_send: sends if that needs no waiting; else false, and `value` is as it was. Throws as send
  // does.
  [[nodiscard]] bool try_send(const T& value) const {
    return channel_may_send(own_core()) && try_hand_over(outgoing<T>(value));
  }
  [[nodiscard]] bool try_send(T&& value) const {
    return channel_may_send(own_core()) && try_hand_over(outgoing<T>(std::move(value)));
  }

  // has_receivers: whether anybody can receive yet, as has_senders().
  [[nodiscard]] bool has_receivers() const noexcept {
    return channel_has(own_core(), receiving_end);
  }

  // close: no more will be sent. Wakes all receivers, then all senders that wait, who throw. Throws
  // misuse_error if it is closed already ("close of closed channel") or nil ("close of nil
  // channel"). Never waits, never switches.
  void close() const { close_channel(own_core()); }

 private:
  channel_core* own_core() const noexcept { return static_cast<const Handle&>(*this).core(); }

  channel_outcome hand_over(outgoing<T>&& out, const limit& l) const {
    const auto outcome = channel_send(own_core(), out.slot(), l);
    if (outcome == channel_outcome::done) out.sent();
    if (outcome == channel_outcome::closed) throw_send_on_closed();
    return outcome;
  }
  bool try_hand_over(outgoing<T>&& out) const {
    const auto outcome = channel_try_send(own_core(), out.slot());
    if (outcome == channel_outcome::done) out.sent();
    if (outcome == channel_outcome::closed) throw_send_on_closed();
    return outcome == channel_outcome::done;
  }
  static result<void> result_of(channel_outcome outcome) {
    if (outcome == channel_outcome::done) return {};
    return std::unexpected(error_of(outcome, "chan send"));
  }
};

}  // namespace detail

// channel: both ends.
template <class T>
class channel : public detail::channel_handle<detail::both_ends>,
                public detail::receiving<T, channel<T>>,
                public detail::sending<T, channel<T>> {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
                "weft::channel<T>: T must be an object type, neither const nor an array");
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "weft::channel<T>: T must be nothrow-move-constructible: a value that has left its "
                "sender must arrive (wrap it in a std::unique_ptr)");

 public:
  using value_type = T;

  // channel: nil.
  channel() noexcept = default;
  // channel(capacity): an open one with room for `capacity` values; with 0 each send waits for its
  // receiver. Throws misuse_error ("makechan: size out of range") if negative or more than any
  // memory holds; bad_alloc if there is not so much.
  explicit channel(std::ptrdiff_t capacity)
      : channel::channel_handle(channel::channel_handle::adopt(
            detail::make_channel(capacity, detail::element_size<T>, detail::dropper<T>()))) {}

  friend bool operator==(const channel& a, const channel& b) noexcept {
    return a.core() == b.core();
  }
};

// receiver: the receiving end. It cannot send or close.
template <class T>
class receiver : public detail::channel_handle<detail::receiving_end>,
                 public detail::receiving<T, receiver<T>> {
 public:
  using value_type = T;
  receiver() noexcept = default;
  receiver(const channel<T>& c) noexcept : receiver::channel_handle(c.core()) {}

  // receiver of a channel that is not made by channel(): takes over its end.
  explicit receiver(detail::channel_core* counted) noexcept
      : receiver::channel_handle(receiver::channel_handle::adopt(counted)) {}
};

// sender: the sending end. It cannot receive.
template <class T>
class sender : public detail::channel_handle<detail::sending_end>,
               public detail::sending<T, sender<T>> {
 public:
  using value_type = T;
  sender() noexcept = default;
  sender(const channel<T>& c) noexcept : sender::channel_handle(c.core()) {}
};

}  // namespace weft
