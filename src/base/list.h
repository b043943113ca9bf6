#pragma once

// list: an intrusive doubly linked list: a ring, and a pointer to its first node, so that memory of
// zeros is an empty one. It owns nothing; a node stands in at most one list, and whoever guards the
// list guards the nodes in it.

#include "base/assert.h"

namespace weft::base {

struct list_node {
  list_node* prev = nullptr;
  list_node* next = nullptr;
  [[nodiscard]] bool linked() const noexcept { return next != nullptr; }
};

template <class T>
class list {
 public:
  constexpr list() noexcept = default;
  list(const list&) = delete;
  list& operator=(const list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void push_back(T& item) noexcept { insert(item); }
  void push_front(T& item) noexcept {
    insert(item);
    first_ = &item;
  }

  [[nodiscard]] T* front() const noexcept { return static_cast<T*>(first_); }

  // next: the one behind `item`, or null at the end.
  [[nodiscard]] T* next(const T& item) const noexcept {
    auto* n = static_cast<const list_node&>(item).next;
    return n == first_ ? nullptr : static_cast<T*>(n);
  }

  T* pop_front() noexcept {
    T* item = front();
    if (item != nullptr) remove(*item);
    return item;
  }

  void remove(T& item) noexcept {
    list_node& n = item;
    WEFT_ASSERT(n.linked(), "removed a node that is in no list");
    if (first_ == &n) first_ = n.next == &n ? nullptr : n.next;
    n.prev->next = n.next;
    n.next->prev = n.prev;
    n.prev = n.next = nullptr;
  }

 private:
  // insert: before the first, which in a ring is behind the last.
  void insert(list_node& n) noexcept {
    WEFT_ASSERT(!n.linked(), "inserted a node that is in a list already");
    if (first_ == nullptr) {
      n.prev = n.next = first_ = &n;
      return;
    }
    n.next = first_;
    n.prev = first_->prev;
    n.prev->next = &n;
    first_->prev = &n;
  }

  list_node* first_ = nullptr;
};

}  // namespace weft::base
