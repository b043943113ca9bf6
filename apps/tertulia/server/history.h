#pragma once

// history: the store and its readers as the server's goroutines use them.
//
// One goroutine, the writer, owns the store. Who wants something written queues a job and waits;
// the writer takes everything that is queued, puts all lines of all jobs into one transaction,
// commits inside weft::blocking, and then answers each job. So one fsync serves every channel that
// has something to say at that moment (group commit), and while it runs the next batch gathers.
//
// Reads go over a small pool of connections that see what is committed; who finds it empty waits.
//
// Who waits on whom: callers wait for the writer and for pool connections; the writer and whoever
// holds a connection wait for the disk alone. The queue is bounded: a full one makes callers wait.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/wait_group.h>

#include "server/history_reader.h"
#include "server/store.h"

namespace tertulia {

class history {
 public:
  // open: opens the database and starts the writer.
  [[nodiscard]] static store_result<std::unique_ptr<history>> open(const std::string& folder,
                                                                   int size_mb_max);
  history(const history&) = delete;
  history& operator=(const history&) = delete;

  // append: returns when the lines are on disk, or with why they are not; then none of them is.
  [[nodiscard]] store_result<void> append(std::span<const stored_line> lines);

  // save / load: a channel's record, in order with what was appended before.
  [[nodiscard]] store_result<void> save(channel_record& channel);
  [[nodiscard]] store_result<std::optional<channel_snapshot>> load(std::string_view name);

  // read: calls `f` with a reader inside weft::blocking and returns what it returns.
  template <class F>
  auto read(F&& f) {
    history_reader* reader = *idle_readers_.recv();
    struct give_back {
      weft::channel<history_reader*>& pool;
      history_reader* reader;
      ~give_back() { static_cast<void>(pool.try_send(reader)); }  // its place is free
    } const after{idle_readers_, reader};
    return weft::blocking([&] { return f(*reader); });
  }

  // stop: ends the writer after what is queued, and closes the database. Nobody may call anything
  // else any more; without it the object may not be destroyed.
  void stop();

 private:
  struct job;
  using job_list = std::vector<std::shared_ptr<job>>;

  history(store s, std::vector<std::unique_ptr<history_reader>> readers);
  void run_job(const std::shared_ptr<job>& j);
  void write_loop();
  job_list take_batch(std::shared_ptr<job> first);
  void commit(job_list& batch);

  std::optional<store> store_;  // the writer's
  std::vector<std::unique_ptr<history_reader>> readers_;
  weft::channel<history_reader*> idle_readers_;
  weft::channel<std::shared_ptr<job>> jobs_;
  weft::wait_group writer_;
};

}  // namespace tertulia
