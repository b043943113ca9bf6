#pragma once

// server: what all paradigms share, so that each one's file shows nothing but how it handles many
// connections at once. All do the same on the wire: they read what a client sends until it ends,
// and with every read either print it (the paper's server) or send it back (--echo).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lab {

// variant: as_published does per read what the paper's programs did, which is not the same in C and
// in Go; fair does the same everywhere: a buffer of 4096 bytes, one write(2) per read.
enum class variant : unsigned char { as_published, fair };

// family: which addresses a listener takes: both where its address is [::], as Go's "tcp", or one
// alone. Said, not left to the system: they differ, and the paper's server broke on that.
enum class family : unsigned char { both, v4, v6 };

struct serve_options {
  std::string host = "127.0.0.1";
  family network = family::both;
  std::uint16_t port = 0;  // 0: any that is free
  variant how = variant::fair;
  bool echo = false;
  // workers: processes (prefork), threads (pool, epoll-per-core); 0: what the paradigm says.
  unsigned workers = 0;
};

struct paradigm {
  std::string_view name;
  std::string_view summary;
  // serve: never returns; a server ends by a signal.
  void (*serve)(const serve_options&);
  // missing: why it cannot run here; empty if it can. None: it always can.
  std::string (*missing)() = nullptr;
};

// paradigms: those compiled in, in the order in which the report shows them. The Go server is a
// program of its own and not among them.
std::span<const paradigm> paradigms();
const paradigm* find_paradigm(std::string_view name);

// parse_variant, variant_name: "as-published", "fair".
std::optional<variant> parse_variant(std::string_view name);
std::string_view variant_name(variant v);

// parse_family, family_name: "tcp" (both), "tcp4", "tcp6".
std::optional<family> parse_family(std::string_view name);
std::string_view family_name(family f);

// One file each.
void serve_process(const serve_options&);
void serve_cluster(const serve_options&);
void serve_prefork(const serve_options&);
void serve_thread(const serve_options&);
void serve_pool(const serve_options&);
void serve_poll(const serve_options&);
void serve_epoll(const serve_options&);
void serve_epoll_per_core(const serve_options&);
void serve_callback(const serve_options&);
void serve_asio_coroutine(const serve_options&);
void serve_io_uring(const serve_options&);
std::string io_uring_missing();
void serve_goroutine(const serve_options&);

}  // namespace lab
