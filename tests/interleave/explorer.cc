#include "explorer.h"

#include <cstdio>
#include <cstring>
#include <utility>

namespace interleave {
namespace {

namespace sanitizer = weft::arch::sanitizer;

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr std::uint64_t steps_max = 4000;
constexpr std::uint32_t rescues_max = 3;
constexpr std::uint64_t never_relaxed = UINT64_MAX;

// executions_ever: an atomic of static storage knows in which execution it was used last.
std::uint32_t executions_ever = 0;

constexpr std::uint32_t bit(std::uint32_t t) noexcept { return std::uint32_t{1} << t; }

}  // namespace

explorer::explorer(const std::function<void(program&)>& describe, const options& o)
    : describe_(describe), options_(o), home_stack_(sanitizer::thread_stack()) {
  for (thread& t : threads_) t.low = static_cast<char*>(::operator new(stack_bytes));
}

explorer::~explorer() {
  for (thread& t : threads_) {
    sanitizer::forget_frames(t.low, stack_bytes);
    ::operator delete(t.low);
  }
}

findings explorer::run() {
  do {
    run_once();
    if (!found_.failure.empty()) return found_;
    if (found_.executions + found_.pruned >= options_.executions_max) return found_;
  } while (next_row());
  found_.complete = true;
  return found_;
}

void explorer::run_once() {
  at_ = 0;
  current_ = 0;
  sleeping_ = 0;
  steps_ = 0;
  rescues_ = 0;
  over_ = false;
  execution_ = ++executions_ever;
  trace_.clear();
  outcome_.clear();
  memory_.reset(options_.memory);
  plain_.reset();
  program_ = std::make_unique<program>();
  thread_count_ = 1;
  for (thread& t : threads_) {
    t.at = state::unborn;
    t.pending = {};
    t.others_steps = never_relaxed;
    t.own_steps = 0;
    t.context = weft::arch::make_context(t.low, t.low + stack_bytes, entry);
  }
  threads_[0].at = state::ready;
  sanitizer::fiber_save save;
  sanitizer::before_switch(save, threads_[0].low, stack_bytes, nullptr, false, false);
  weft::arch::switch_context(&home_, threads_[0].context, this);
  sanitizer::after_switch(save);
  if (!over_) program_->kept_count_ = 0;  // E4
  for (std::uint32_t t = 0; t < thread_count_; ++t) {
    sanitizer::forget_frames(threads_[t].low, stack_bytes);
  }
  program_.reset();
  found_.steps += steps_;
}

// next_row: the next choice that has not been made, the deepest first.
bool explorer::next_row() {
  while (!row_.empty() && row_.back().taken + 1 >= row_.back().count) row_.pop_back();
  if (row_.empty()) return false;
  ++row_.back().taken;
  return true;
}

// -- the threads --

extern bool inside;  // api.cc

void explorer::entry(void* self) {
  sanitizer::after_switch({});
  static_cast<explorer*>(self)->body();
}

void explorer::body() {
  const auto me = current_;
  inside = false;
  if (me == 0) {
    describe_and_check();
  } else {
    program_->bodies_[me - 1]();
  }
  inside = true;
  threads_[me].at = state::ended;
  threads_[me].pending = {};
  if (me == 0) {
    over_ = true;
    ++found_.executions;
    ++found_.outcomes[outcome_];
    abandon();
  }
  if (starting_) switch_to(0);
  go_on();
}

void explorer::describe_and_check() {
  describe_(*program_);
  inside = true;
  starting_ = true;
  for (std::uint32_t t = 1; t <= program_->body_count_; ++t) {
    memory_.add_thread(t, 0);
    threads_[t].at = state::ready;
    ++thread_count_;
    switch_to(t);
  }
  starting_ = false;
  stop({.what = step::join});
  for (std::uint32_t t = 1; t < thread_count_; ++t) memory_.join(0, t);
  inside = false;
  if (program_->check_) program_->check_();
  for (std::size_t i = program_->kept_count_; i-- > 0;) {
    program_->kept_[i].destroy(program_->kept_[i].object);
  }
  program_->kept_count_ = 0;
  program_->bodies_ = {};
  program_->check_ = nullptr;
  if (plain_.allocated() != 0) interleave::fail("memory was never freed");
}

void explorer::stop(const operation& o) {
  threads_[current_].pending = o;
  if (starting_ && current_ != 0) {
    switch_to(0);
  } else {
    go_on();
  }
}

// go_on: decides who does its pending operation, and goes there.
void explorer::go_on() {
  for (;;) {
    std::uint32_t able = 0;
    for (std::uint32_t t = 0; t < thread_count_; ++t) {
      if (enabled(t)) able |= bit(t);
    }
    if (able == 0) {
      if (rescue_spinners()) continue;
      fail("the threads that are left wait for ever");
    }
    if (++steps_ > steps_max) fail("the execution is too long");
    const auto next = pick(able);
    thread& t = threads_[next];
    ++t.own_steps;
    if (t.pending.what == step::relax) t.others_steps = steps_ - t.own_steps;
    if (t.pending.what == step::write || t.pending.what == step::take) rescues_ = 0;
    if (next != current_) switch_to(next);
    return;
  }
}

bool explorer::enabled(std::uint32_t t) const noexcept {
  const thread& self = threads_[t];
  if (self.at != state::ready) return false;
  switch (self.pending.what) {
    case step::take:
      return memory_.value(self.pending.location, memory_.newest(self.pending.location)) ==
             self.pending.wanted;
    case step::relax: return steps_ - self.own_steps != self.others_steps;
    case step::join:
      for (std::uint32_t u = 1; u < thread_count_; ++u) {
        if (threads_[u].at != state::ended) return false;
      }
      return true;
    default: return true;
  }
}

// rescue_spinners: nobody can go on but who spins: then all there is to be seen is seen by now.
bool explorer::rescue_spinners() noexcept {
  bool any = false;
  if (++rescues_ > rescues_max) return false;
  for (std::uint32_t t = 0; t < thread_count_; ++t) {
    if (threads_[t].at != state::ready || threads_[t].pending.what != step::relax) continue;
    memory_.see_all(t);
    threads_[t].others_steps = never_relaxed;
    any = true;
  }
  return any;
}

bool explorer::independent(const operation& a, const operation& b) const noexcept {
  if (a.what == step::relax || b.what == step::relax) return false;
  const bool hardware = options_.memory == rules::hardware;
  const auto publishes = [hardware](const operation& o) {
    if (o.what == step::fence) return is_seq_cst(o.how);
    return hardware && o.what == step::write && releases(o.how);
  };
  const auto looks = [hardware](const operation& o) {
    if (o.what == step::fence) return is_seq_cst(o.how);
    return hardware && is_seq_cst(o.how);
  };
  if ((publishes(a) && looks(b)) || (publishes(b) && looks(a))) return false;
  const auto here = [](const operation& o) {
    return o.what == step::load || o.what == step::write || o.what == step::take;
  };
  if (!here(a) || !here(b) || a.location != b.location) return true;
  if (a.what != step::load || b.what != step::load) return false;
  return !(is_seq_cst(a.how) && is_seq_cst(b.how));
}

std::uint32_t explorer::pick(std::uint32_t able) {
  const std::uint32_t awake = able & ~sleeping_;
  if (awake == 0) {
    ++found_.pruned;
    abandon();
  }
  choice made;
  if ((awake & bit(current_)) != 0) {
    made.threads[made.count++] = static_cast<std::uint8_t>(current_);
  }
  for (std::uint32_t t = 0; t < thread_count_; ++t) {
    if (t != current_ && (awake & bit(t)) != 0) {
      made.threads[made.count++] = static_cast<std::uint8_t>(t);
    }
  }
  if (made.count > 1) {
    if (at_ == row_.size()) row_.push_back(made);
    made = row_[at_++];
  }
  std::uint32_t base = sleeping_;
  for (std::uint32_t i = 0; i < made.taken; ++i) base |= bit(made.threads[i]);
  const std::uint32_t next = made.threads[made.taken];
  sleeping_ = 0;
  for (std::uint32_t t = 0; t < thread_count_; ++t) {
    if ((base & bit(t)) == 0) continue;
    if (independent(threads_[t].pending, threads_[next].pending)) sleeping_ |= bit(t);
  }
  return next;
}

std::uint32_t explorer::choose(std::uint32_t n) {
  if (n <= 1) return 0;
  if (at_ == row_.size()) {
    choice made;
    made.count = static_cast<std::uint8_t>(n);
    row_.push_back(made);
  }
  return row_[at_++].taken;
}

void explorer::sleep_on(std::uint32_t location) {
  thread& self = threads_[current_];
  self.at = state::asleep;
  self.asleep_on = location;
  self.pending = {};
  go_on();
}

void explorer::wake(std::uint32_t location, int count) {
  for (; count > 0; --count) {
    std::array<std::uint32_t, threads_max> sleepers{};
    std::uint32_t n = 0;
    for (std::uint32_t t = 0; t < thread_count_; ++t) {
      if (threads_[t].at == state::asleep && threads_[t].asleep_on == location) sleepers[n++] = t;
    }
    if (n == 0) return;
    threads_[sleepers[choose(n)]].at = state::ready;
  }
}

[[gnu::noinline]] void explorer::switch_to(std::uint32_t t) {
  const auto from = std::exchange(current_, t);
  sanitizer::fiber_save save;
  sanitizer::before_switch(save, threads_[t].low, stack_bytes, nullptr, false, false);
  weft::arch::switch_context(&threads_[from].context, threads_[t].context, this);
  sanitizer::after_switch(save);
}

void explorer::abandon() {
  sanitizer::fiber_save save;
  sanitizer::before_switch(save, home_stack_.low, home_stack_.size, nullptr, false, true);
  weft::arch::switch_context(&threads_[current_].context, home_, nullptr);
  sanitizer::after_switch(save);
  std::abort();
}

// -- what they tell --

std::uint32_t explorer::location_of(const cell& c) {
  if (c.execution != execution_) {
    auto& self = const_cast<cell&>(c);
    self.location = memory_.add_location(c.initial);
    self.execution = execution_;
  }
  return c.location;
}

// must_be_there: at the moment of the operation; futex_wake alone needs no more than the address.
void explorer::must_be_there(const cell& c) {
  if (plain_.freed(reinterpret_cast<std::uintptr_t>(&c))) {
    fail("an atomic is used after it was freed");
  }
}

const mutation* explorer::wrong_at(kind k, site at) {
  const mutation& m = options_.wrong;
  if (m.what_happens == mutation::effect::none) return nullptr;
  if (m.what != kind::any && m.what != k) return nullptr;
  if (!std::string_view(at.file_name()).ends_with(m.file)) return nullptr;
  return std::strstr(at.function_name(), m.function) != nullptr ? &m : nullptr;
}

void explorer::note(const char* what, std::uint32_t location, std::uint64_t value, site at) {
  trace_.push_back({current_, what, location, value, at});
}

void explorer::observe(std::uint64_t n) {
  if (!outcome_.empty()) outcome_ += ' ';
  outcome_ += std::to_string(n);
}

void explorer::fail(const char* text) {
  report(text);
  abandon();
}

void explorer::report(const char* text) {
  found_.failure = std::string(text) + " (thread " + std::to_string(current_) + ")";
  for (const trace_line& line : trace_) {
    const char* file = std::strrchr(line.at.file_name(), '/');
    char buffer[400];
    std::snprintf(
        buffer, sizeof buffer, "\n  %*s%u %s x%u %llx  %s:%u %.90s", static_cast<int>(line.thread),
        "", line.thread, line.what, line.location, static_cast<unsigned long long>(line.value),
        file != nullptr ? file + 1 : line.at.file_name(), line.at.line(), line.at.function_name());
    found_.failure += buffer;
  }
}

}  // namespace interleave
