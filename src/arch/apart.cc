#include "arch/sanitizer.h"

#if WEFT_APART

#include <sys/mman.h>

#include <cerrno>

extern "C" int __tsan_get_report_data(void* report, const char** description, int* count,
                                      int* stacks, int* accesses, int* locations, int* mutexes,
                                      int* threads, int* unique_threads, void** sleep_trace,
                                      unsigned long trace_size);
extern "C" int __tsan_get_report_mop(void* report, unsigned long index, int* thread, void** address,
                                     int* size, int* write, int* atomic, void** trace,
                                     unsigned long trace_size);

namespace __tsan {

class ReportDesc;

// OnReport: asked by ThreadSanitizer, on the thread that has just made one of the accesses, whether
// the report is not to be printed. errno is the thread's, and its goroutines' in turn: no race.
bool OnReport(const ReportDesc* report, bool suppressed);
[[clang::disable_sanitizer_instrumentation]] bool OnReport(const ReportDesc* report,
                                                           bool suppressed) {
  const char* text = nullptr;
  int number = 0;
  int accesses = 0;
  void* address = nullptr;
  void* trace = nullptr;
  __tsan_get_report_data(const_cast<ReportDesc*>(report), &text, &number, &number, &accesses,
                         &number, &number, &number, &number, &trace, 1);
  if (accesses == 0) return suppressed;  // of locks, say
  __tsan_get_report_mop(const_cast<ReportDesc*>(report), 0, &number, &address, &number, &number,
                        &number, &trace, 1);
  return suppressed || address == &errno;
}

}  // namespace __tsan

namespace weft::arch::sanitizer {

void end_apart(void*& fiber, void* low, std::size_t size) noexcept {
  __tsan_destroy_fiber(std::exchange(fiber, nullptr));
  // What is remembered of memory goes with its mapping.
  constexpr int anew = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  ::mmap(low, size, PROT_READ | PROT_WRITE, anew, -1, 0);
}

}  // namespace weft::arch::sanitizer

#endif
