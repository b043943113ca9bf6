// fetch: libcurl's easy interface as it is, a goroutine and a handle for each URL. They load at the
// same time and are printed as they come.
//
//   $ ./fetch http://localhost:8000/one http://localhost:8000/two
//   200     1000 bytes http://localhost:8000/one
//   200    20000 bytes http://localhost:8000/two

#include <curl/curl.h>
#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace {

using easy = std::unique_ptr<CURL, decltype([](CURL* c) { curl_easy_cleanup(c); })>;

struct page {
  std::string url, body;
  long status = 0;
  CURLcode error = CURLE_OK;
};

std::size_t append(char* bytes, std::size_t, std::size_t n, void* body) {
  static_cast<std::string*>(body)->append(bytes, n);
  return n;
}

page fetch(const char* url) {
  page p{.url = url, .body = {}};
  const easy handle(curl_easy_init());
  curl_easy_setopt(handle.get(), CURLOPT_URL, url);
  curl_easy_setopt(handle.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &p.body);
  p.error = curl_easy_perform(handle.get());
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &p.status);
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return weft::run([&] {
    const weft::channel<page> pages(0);
    weft::scope loading;
    for (int i = 1; i < argc; ++i) loading.go([&, i] { pages.send(fetch(argv[i])); });
    int failed = 0;
    for (int i = 1; i < argc; ++i) {
      const page p = *pages.recv();
      if (p.error != CURLE_OK) ++failed;
      std::printf("%3ld %8zu bytes %s%s%s\n", p.status, p.body.size(), p.url.c_str(),
                  p.error != CURLE_OK ? ": " : "",
                  p.error != CURLE_OK ? curl_easy_strerror(p.error) : "");
    }
    return failed == 0 ? 0 : 1;
  });
}
