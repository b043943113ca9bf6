#include "sched/io.h"

#include "sched/scheduler.h"
#include "sched/wake_list.h"

namespace weft::sched {

caller_kind io_home::kind_of(const machine* m) const noexcept {
  if (m == nullptr) return caller_kind::thread;
  return m->owner == owner_ ? caller_kind::own : caller_kind::stranger;
}

void io_home::ensure_watched() noexcept {
  if (kind_of(current_machine()) == caller_kind::own) {
    owner_->ensure_watched();
    return;
  }
  const home_visit here(*this, caller_kind::thread);
  if (!here.over()) owner_->ensure_watched();
}

bool io_home::enlist(tenant& t) noexcept {
  const base::locked hold(lock_);
  if (!ended_) tenants_.push_back(t);  // I2
  return !ended_;
}

void io_home::delist(tenant& t) noexcept {
  const base::locked hold(lock_);
  if (t.linked()) tenants_.remove(t);
}

void io_home::close_doors() noexcept {
  const base::locked hold(lock_);
  ended_ = true;
}

void io_home::end(bool all_in) noexcept {
  tenant* to_settle = nullptr;
  {
    wake_list woken;  // wakes threads alone
    {
      const base::locked hold(lock_);
      for (tenant* t = tenants_.front(); t != nullptr; t = tenants_.next(*t)) {
        if (!t->runtime_ended(all_in, woken)) continue;
        t->next_to_settle_ = to_settle;
        to_settle = t;
      }
    }
  }
  while (to_settle != nullptr) {
    tenant* t = to_settle;
    to_settle = t->next_to_settle_;
    t->settle();
  }
}

home_visit::home_visit(io_home& home, caller_kind who) noexcept {
  if (who == caller_kind::own) return;
  const base::locked hold(home.lock_);
  over_ = home.ended_;
  if (over_) return;
  visited_ = home.owner_;
  visited_->begin_visit();  // I1
}

home_visit::~home_visit() {
  if (visited_ != nullptr) visited_->end_visit();
}

std::shared_ptr<io_home> current_home() noexcept {
  const visit here;
  return here.target() != nullptr ? here.target()->share_home() : nullptr;
}

}  // namespace weft::sched
