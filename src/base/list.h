#pragma once

// list: an intrusive doubly linked list. It owns nothing; a node stands in at most one list, and
// whoever guards the list guards the nodes in it.

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
  list() noexcept { head_.prev = head_.next = &head_; }
  list(const list&) = delete;
  list& operator=(const list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next == &head_; }

  void push_back(T& item) noexcept { insert_before(head_, item); }
  void push_front(T& item) noexcept { insert_before(*head_.next, item); }

  [[nodiscard]] T* front() const noexcept {
    return empty() ? nullptr : static_cast<T*>(head_.next);
  }

  // next: the one behind `item`, or null at the end.
  [[nodiscard]] T* next(const T& item) const noexcept {
    auto* n = static_cast<const list_node&>(item).next;
    return n == &head_ ? nullptr : static_cast<T*>(n);
  }

  T* pop_front() noexcept {
    T* item = front();
    if (item != nullptr) remove(*item);
    return item;
  }

  void remove(T& item) noexcept {
    list_node& n = item;
    WEFT_ASSERT(n.linked(), "removed a node that is in no list");
    n.prev->next = n.next;
    n.next->prev = n.prev;
    n.prev = n.next = nullptr;
  }

 private:
  static void insert_before(list_node& at, list_node& n) noexcept {
    WEFT_ASSERT(!n.linked(), "inserted a node that is in a list already");
    n.prev = at.prev;
    n.next = &at;
    at.prev->next = &n;
    at.prev = &n;
  }

  list_node head_;
};

}  // namespace weft::base
