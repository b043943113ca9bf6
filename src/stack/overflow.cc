#include "stack/overflow.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "base/assert.h"
#include "base/atomic.h"
#include "stack/pages.h"
#include "stack/stack.h"

namespace weft::stack {
namespace {

base::atomic<overflow_describer> current_describer{nullptr};

// The actions found at installation; written before ours is in place, and by a handler whose
// SA_RESETHAND spends it.
struct sigaction previous_segv;
struct sigaction previous_bus;

// is_fault: the instruction under way cannot go on, and will fault again when the handler returns.
// Otherwise somebody sent the signal, or the kernel announced a memory error nobody has met yet.
bool is_fault(const siginfo_t& info) noexcept {
  return info.si_code > 0 && !(info.si_signo == SIGBUS && info.si_code == BUS_MCEERR_AO);
}

// die_of: lets the signal do what it does where nobody handles it.
void die_of(int signal, siginfo_t* info) noexcept {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
  if (is_fault(*info)) return;
  // Blocked while the handler runs, so it is delivered as the handler returns.
  if (::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::syscall(SYS_gettid), signal, info) != 0)
    ::raise(signal);
}

void call_previous(int signal, siginfo_t* info, void* ucontext) noexcept {
  struct sigaction& saved = signal == SIGSEGV ? previous_segv : previous_bus;
  const struct sigaction previous = saved;
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!takes_info && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
    // The kernel does not ignore faults either.
    if (previous.sa_handler == SIG_DFL || is_fault(*info)) die_of(signal, info);
    return;
  }
  if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) {
    saved = {};
    saved.sa_handler = SIG_DFL;
  }
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &before);
  if ((previous.sa_flags & SA_NODEFER) != 0 && sigismember(&previous.sa_mask, signal) == 0) {
    sigset_t self;
    sigemptyset(&self);
    sigaddset(&self, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &self, nullptr);
  }
  if (takes_info) {
    previous.sa_sigaction(signal, info, ucontext);
  } else {
    previous.sa_handler(signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* ucontext) {
  const int saved_errno = errno;
  // acquire: sees what the describer was set up with; pairs with set_overflow_describer.
  const auto describe = current_describer.load(base::acquire);
  if (describe != nullptr && is_fault(*info)) describe(info->si_addr, ucontext);
  call_previous(signal, info, ucontext);
  errno = saved_errno;
}

void install(int signal, struct sigaction& previous) noexcept {
  ::sigaction(signal, nullptr, &previous);
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  const bool installed = ::sigaction(signal, &action, nullptr) == 0;
  WEFT_ASSERT(installed, "sigaction refused a handler");
}

}  // namespace

void set_overflow_describer(overflow_describer describer) noexcept {
  // release: publishes what the describer reads; pairs with the load in on_fault.
  current_describer.store(describer, base::release);
}

void install_overflow_handler() noexcept {
  static std::once_flag installed;
  std::call_once(installed, [] {
    install(SIGSEGV, previous_segv);
    install(SIGBUS, previous_bus);
  });
}

// The lowest part is a guard of its own: a handler that needs more dies at once and overwrites
// nothing.
alternate_stack::alternate_stack() noexcept {
  char* pages = map_pages(guard_size + size);
  if (pages == nullptr) return;
  stack_t ours{};
  ours.ss_sp = pages + guard_size;
  ours.ss_size = size;
  stack_t before{};
  if (!protect_guard(pages, guard_size) || ::sigaltstack(&ours, &before) != 0) {
    unmap_pages(pages, guard_size + size);
    return;
  }
  pages_ = pages;
  previous_ = before.ss_sp;
  previous_size_ = before.ss_size;
  previous_flags_ = before.ss_flags;
}

alternate_stack::~alternate_stack() {
  if (pages_ == nullptr) return;
  stack_t now{};
  ::sigaltstack(nullptr, &now);
  // Somebody may have put another in its place meanwhile, which is then theirs to keep.
  if (now.ss_sp == pages_ + guard_size) {
    WEFT_ASSERT((now.ss_flags & SS_ONSTACK) == 0,
                "an alternate stack destroyed by a handler on it");
    stack_t before{};
    before.ss_sp = previous_;
    before.ss_size = previous_size_;
    before.ss_flags = previous_flags_;
    ::sigaltstack(&before, nullptr);
  }
  unmap_pages(pages_, guard_size + size);
}

}  // namespace weft::stack
