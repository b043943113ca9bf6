#include <array>

#include "serve/server.h"

namespace lab {

namespace {

constexpr std::array table = {
    paradigm{"process", "a process per client (fork)", serve_process},
    paradigm{"cluster", "two processes per client, the paper's Child RECV and Child SEND",
             serve_cluster},
    paradigm{"prefork", "processes started beforehand, each serving a client at a time",
             serve_prefork},
    paradigm{"thread", "a thread per client", serve_thread},
    paradigm{"pool", "threads started beforehand, each serving a client at a time", serve_pool},
    paradigm{"poll", "one loop over poll(2)", serve_poll},
    paradigm{"epoll", "one loop over epoll", serve_epoll},
    paradigm{"epoll-per-core", "a loop over epoll per CPU, each with its own listener",
             serve_epoll_per_core},
    paradigm{"callback", "callbacks on one loop (Asio)", serve_callback},
    paradigm{"asio-coroutine", "a stackless coroutine per client on one loop (Asio)",
             serve_asio_coroutine},
    paradigm{"io_uring", "one loop over a ring of requests to the kernel", serve_io_uring,
             io_uring_missing},
    paradigm{"goroutine", "a goroutine per client (weft)", serve_goroutine},
};

}  // namespace

std::span<const paradigm> paradigms() { return table; }

const paradigm* find_paradigm(std::string_view name) {
  for (const auto& p : table) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

}  // namespace lab
