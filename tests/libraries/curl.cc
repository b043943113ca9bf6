// curl: a crowd with an easy handle each fetches from a server of weft's own on the same processor,
// which answers nobody before it may. So it lives on what the crowd leaves it.
//
//   curl

#include <curl/curl.h>
#include <weft/buffered.h>
#include <weft/go.h>
#include <weft/latch.h>
#include <weft/net.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "crowd.h"

using libraries::expect;

namespace {

constexpr std::size_t body_size = 64 * 1024;

class http_server {
 public:
  http_server() : listener_(weft::net::listen("tcp", "127.0.0.1:0").value()) {
    weft::go([this] {
      while (auto client = listener_.accept())
        serving_.go([this, c = std::move(*client)]() mutable { serve(c); });
    });
  }
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;
  ~http_server() {
    expect(listener_.close().has_value());
    serving_.wait().value();  // the clients have closed their connections
  }

  [[nodiscard]] std::string url() const {
    return "http://" + listener_.local_address().to_string() + "/";
  }
  [[nodiscard]] int requests() const { return requests_; }
  void answer() { may_answer_.count_down(); }

 private:
  // serve: every request is the same.
  void serve(weft::net::conn& client) {
    weft::line_reader lines(client);
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_size) + "\r\n\r\n";
    const std::string answer = head + std::string(body_size, 'x');
    while (auto line = lines.next()) {
      if (!line->empty()) continue;
      ++requests_;
      may_answer_.wait().value();
      if (!client.write(answer)) return;
    }
  }

  weft::net::listener listener_;
  weft::latch may_answer_{1};
  std::atomic<int> requests_{0};
  weft::wait_group serving_;
};

class client {
 public:
  explicit client(const std::string& url) : handle_(curl_easy_init()) {
    expect(handle_ != nullptr);
    curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_, CURLOPT_PROXY, "");
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &got_);
  }
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() { curl_easy_cleanup(handle_); }

  void fetch() {
    got_.clear();
    const CURLcode status = curl_easy_perform(handle_);
    expect(status == CURLE_OK, curl_easy_strerror(status));
    expect(got_.size() == body_size && got_.find_first_not_of('x') == std::string::npos, "body");
  }

 private:
  static std::size_t take(char* bytes, std::size_t, std::size_t n, void* into) {
    static_cast<std::string*>(into)->append(bytes, n);
    return n;
  }

  CURL* const handle_;
  std::string got_;
};

}  // namespace

int main() {
  expect(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  return libraries::run([] {
    http_server server;
    std::int64_t calls = 0;
    {
      std::vector<std::unique_ptr<client>> all(libraries::size);
      libraries::ticker ticks;
      calls = libraries::play(
          ticks, {
                     .held =
                         [&](int i) {
                           auto& mine = all[static_cast<unsigned>(i)];
                           mine = std::make_unique<client>(server.url());
                           mine->fetch();
                         },
                     .all_inside = [&] { return server.requests() == libraries::size; },
                     .release = [&] { server.answer(); },
                     .ordinary = [&](int i, int) { all[static_cast<unsigned>(i)]->fetch(); },
                     .ordinary_min = 3,
                 });
    }
    expect(server.requests() == calls + libraries::size, "requests were lost");
    std::printf("%lld bodies of %zu KiB\n", static_cast<long long>(calls) + libraries::size,
                body_size / 1024);
  });
}
