#include "sched/labels.h"

#include <weft/goroutine.h>

#include <pthread.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/lock.h"
#include "sched/scheduler.h"

namespace weft::sched {
namespace {

base::lock<base::rank::leaf> sets_lock;
// Guarded by sets_lock.
label_set* free_sets = nullptr;
label_set* all_sets = nullptr;  // for LeakSanitizer

// writer: packs labels into a text.
class writer {
 public:
  void add(std::string_view key, std::string_view value) noexcept {
    // The last byte stays zero: the end.
    fits_ = fits_ && key.size() + value.size() + 2 <= label_set::size - 1 - at_;
    if (!fits_) return;
    for (const auto part : {key, value}) {
      part.copy(all_.data() + at_, part.size());
      at_ += part.size() + 1;
    }
  }
  [[nodiscard]] bool fits() const noexcept { return fits_; }
  [[nodiscard]] const label_set::text& all() const noexcept { return all_; }

 private:
  label_set::text all_{};
  std::size_t at_ = 0;
  bool fits_ = true;
};

}  // namespace

label_set* label_set::take() noexcept {
  {
    const base::locked hold(sets_lock);
    if (label_set* s = free_sets) {
      free_sets = s->next_free_;
      return s;
    }
  }
  auto* made = new (std::nothrow) label_set();
  if (made == nullptr) return nullptr;
  const base::locked hold(sets_lock);
  made->made_before_ = std::exchange(all_sets, made);
  return made;
}

void label_set::recycle() noexcept {
  const base::locked hold(sets_lock);
  next_free_ = std::exchange(free_sets, this);
}

void label_set::put(const text& all) noexcept {
  std::array<std::uint64_t, size / 8> words;
  std::memcpy(words.data(), all.data(), size);
  for (std::size_t i = 0; i < words.size(); ++i) words_[i] = words[i];
}

label_set::text label_set::get() const noexcept {
  std::array<std::uint64_t, size / 8> words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i];
  text all;
  std::memcpy(all.data(), words.data(), size);
  return all;
}

label_set* label_set::with(const label_set* old, std::string_view key,
                           std::string_view value) noexcept {
  // A zero would end the text early; an empty key would end the list.
  key = key.substr(0, key.find('\0'));
  value = value.substr(0, value.find('\0'));
  if (key.empty()) return nullptr;
  writer to;
  bool replaced = false;
  if (old != nullptr) {
    for_each(old->get(), [&](std::string_view k, std::string_view v) {
      replaced = replaced || k == key;
      to.add(k, k == key ? value : v);
    });
  }
  if (!replaced) to.add(key, value);
  if (!to.fits()) return nullptr;
  label_set* made = take();
  if (made == nullptr) return nullptr;
  made->put(to.all());
  made->references_.store(1, base::relaxed);  // relaxed: it is nobody else's yet
  return made;
}

}  // namespace weft::sched

namespace weft {

void set_name(std::string_view name) noexcept {
  if (sched::goroutine* g = sched::current_goroutine()) {
    g->name = name;
    return;
  }
  constexpr std::size_t thread_name_size = 16;  // the kernel's
  char text[thread_name_size] = {};
  name.copy(text, sizeof text - 1);
  ::pthread_setname_np(::pthread_self(), text);
}

std::string name() {
  if (const sched::goroutine* g = sched::current_goroutine()) return g->name.get().data();
  char text[64] = {};
  if (::pthread_getname_np(::pthread_self(), text, sizeof text) != 0) return {};
  return text;
}

static_assert(labels_size == sched::label_set::size - 1);

label::label(std::string_view key, std::string_view value) noexcept {
  sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr) return;
  auto* made = sched::label_set::with(g->labels, key, value);
  if (made == nullptr) return;
  outer_ = g->labels.get();
  own_ = made;
  kept_ = true;
  g->labels = made;
}

label::~label() {
  if (!kept_) return;
  sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr || g->labels.get() != own_)
    base::fatal("label: ended out of turn, or in another goroutine");
  g->labels = static_cast<sched::label_set*>(outer_);
  static_cast<sched::label_set*>(own_)->release();
}

std::optional<std::string> find_label(std::string_view key) {
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr || g->labels == nullptr) return std::nullopt;
  std::optional<std::string> found;
  sched::label_set::for_each(g->labels.get()->get(), [&](std::string_view k, const char* v) {
    if (k == key) found = v;
  });
  return found;
}

}  // namespace weft
