// wrap: pthread's locks as a program linked with --wrap calls them (ld(1)): __wrap_f in place of f,
// which is __real_f. libstdc++'s mutexes are inline and call these; what shared libraries lock is
// not seen.
//
// std::condition_variable::wait() alone is not inline: it is wrapped by its mangled name.

#include <pthread.h>
#include <time.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "heldlock/held_locks.h"

extern "C" {
int __real_pthread_mutex_trylock(pthread_mutex_t*);
int __real_pthread_mutex_unlock(pthread_mutex_t*);
}

namespace weft::heldlock {
namespace {

bool is_recursive(const void* lock) noexcept {
  auto* m = static_cast<pthread_mutex_t*>(const_cast<void*>(lock));
  return __real_pthread_mutex_trylock(m) == 0 && __real_pthread_mutex_unlock(m) == 0;
}

template <class Lock, class... Limit>
int lock_with(int (*real)(Lock*, Limit...), kind k, const void* called_from, Lock* lock,
              Limit... limit) noexcept {
  const int status = real(lock, limit...);
  if (status == 0 || status == EOWNERDEAD) note_locked(lock, k, called_from, is_recursive);
  return status;
}

// unlock_with: noted first: once it is free, others lock it.
template <class Lock>
int unlock_with(int (*real)(Lock*), Lock* lock) noexcept {
  note_unlocked(lock);
  return real(lock);
}

}  // namespace
}  // namespace weft::heldlock

using weft::heldlock::forget;
using weft::heldlock::kind;
using weft::heldlock::let_go;
using weft::heldlock::lock_with;
using weft::heldlock::unlock_with;

extern "C" {

int __real_pthread_mutex_init(pthread_mutex_t*, const pthread_mutexattr_t*);
int __real_pthread_mutex_destroy(pthread_mutex_t*);
int __real_pthread_mutex_lock(pthread_mutex_t*);
int __real_pthread_mutex_timedlock(pthread_mutex_t*, const timespec*);
int __real_pthread_mutex_clocklock(pthread_mutex_t*, clockid_t, const timespec*);
int __real_pthread_rwlock_init(pthread_rwlock_t*, const pthread_rwlockattr_t*);
int __real_pthread_rwlock_destroy(pthread_rwlock_t*);
int __real_pthread_rwlock_rdlock(pthread_rwlock_t*);
int __real_pthread_rwlock_tryrdlock(pthread_rwlock_t*);
int __real_pthread_rwlock_timedrdlock(pthread_rwlock_t*, const timespec*);
int __real_pthread_rwlock_clockrdlock(pthread_rwlock_t*, clockid_t, const timespec*);
int __real_pthread_rwlock_wrlock(pthread_rwlock_t*);
int __real_pthread_rwlock_trywrlock(pthread_rwlock_t*);
int __real_pthread_rwlock_timedwrlock(pthread_rwlock_t*, const timespec*);
int __real_pthread_rwlock_clockwrlock(pthread_rwlock_t*, clockid_t, const timespec*);
int __real_pthread_rwlock_unlock(pthread_rwlock_t*);
int __real_pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*);
int __real_pthread_cond_timedwait(pthread_cond_t*, pthread_mutex_t*, const timespec*);
int __real_pthread_cond_clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
void __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable*, std::unique_lock<std::mutex>&);

int __wrap_pthread_mutex_init(pthread_mutex_t* m, const pthread_mutexattr_t* how) {
  forget(m);
  return __real_pthread_mutex_init(m, how);
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t* m) {
  forget(m);
  return __real_pthread_mutex_destroy(m);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t* m) {
  return lock_with(__real_pthread_mutex_lock, kind::mutex, __builtin_return_address(0), m);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t* m) {
  return lock_with(__real_pthread_mutex_trylock, kind::mutex, __builtin_return_address(0), m);
}

int __wrap_pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) {
  return lock_with(__real_pthread_mutex_timedlock, kind::mutex, __builtin_return_address(0), m,
                   until);
}

int __wrap_pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  return lock_with(__real_pthread_mutex_clocklock, kind::mutex, __builtin_return_address(0), m,
                   clock, until);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t* m) {
  return unlock_with(__real_pthread_mutex_unlock, m);
}

int __wrap_pthread_rwlock_init(pthread_rwlock_t* l, const pthread_rwlockattr_t* how) {
  forget(l);
  return __real_pthread_rwlock_init(l, how);
}

int __wrap_pthread_rwlock_destroy(pthread_rwlock_t* l) {
  forget(l);
  return __real_pthread_rwlock_destroy(l);
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t* l) {
  return lock_with(__real_pthread_rwlock_rdlock, kind::rwlock_read, __builtin_return_address(0), l);
}

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t* l) {
  return lock_with(__real_pthread_rwlock_tryrdlock, kind::rwlock_read, __builtin_return_address(0),
                   l);
}

int __wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* until) {
  return lock_with(__real_pthread_rwlock_timedrdlock, kind::rwlock_read,
                   __builtin_return_address(0), l, until);
}

int __wrap_pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock, const timespec* until) {
  return lock_with(__real_pthread_rwlock_clockrdlock, kind::rwlock_read,
                   __builtin_return_address(0), l, clock, until);
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t* l) {
  return lock_with(__real_pthread_rwlock_wrlock, kind::rwlock_written, __builtin_return_address(0),
                   l);
}

int __wrap_pthread_rwlock_trywrlock(pthread_rwlock_t* l) {
  return lock_with(__real_pthread_rwlock_trywrlock, kind::rwlock_written,
                   __builtin_return_address(0), l);
}

int __wrap_pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* until) {
  return lock_with(__real_pthread_rwlock_timedwrlock, kind::rwlock_written,
                   __builtin_return_address(0), l, until);
}

int __wrap_pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock, const timespec* until) {
  return lock_with(__real_pthread_rwlock_clockwrlock, kind::rwlock_written,
                   __builtin_return_address(0), l, clock, until);
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t* l) {
  return unlock_with(__real_pthread_rwlock_unlock, l);
}

int __wrap_pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  const let_go meanwhile(m);
  return __real_pthread_cond_wait(c, m);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* until) {
  const let_go meanwhile(m);
  return __real_pthread_cond_timedwait(c, m, until);
}

int __wrap_pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                                  const timespec* until) {
  const let_go meanwhile(m);
  return __real_pthread_cond_clockwait(c, m, clock, until);
}

void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* c, std::unique_lock<std::mutex>& l) {
  const let_go meanwhile(l.mutex()->native_handle());
  __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(c, l);
}

}  // extern "C"
