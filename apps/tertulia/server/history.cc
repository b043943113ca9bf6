#include "server/history.h"

namespace tertulia {

namespace {

constexpr std::size_t readers_count = 4;
constexpr std::size_t jobs_queued_max = 256;
constexpr std::size_t lines_per_commit_max = 2048;

}  // namespace

// job: lives until both its maker and the writer have let go of it.
struct history::job {
  std::span<const stored_line> lines;               // appended, or:
  std::function<store_result<void>(store&)> other;  // done on its own, in its turn
  store_result<void> outcome;
  weft::channel<bool> done{1};
};

store_result<std::unique_ptr<history>> history::open(const std::string& folder, int size_mb_max) {
  auto s = store::open(folder, size_mb_max);
  if (!s) return std::unexpected(s.error());
  std::vector<std::unique_ptr<history_reader>> readers;
  while (readers.size() < readers_count) {
    auto reader = history_reader::open(folder);
    if (!reader) return std::unexpected(reader.error());
    readers.push_back(std::make_unique<history_reader>(std::move(*reader)));
  }
  return std::unique_ptr<history>(new history(std::move(*s), std::move(readers)));
}

history::history(store s, std::vector<std::unique_ptr<history_reader>> readers)
    : store_(std::move(s)),
      readers_(std::move(readers)),
      idle_readers_(readers_count),
      jobs_(jobs_queued_max) {
  for (const auto& r : readers_) idle_readers_.send(r.get());
  writer_.go({.name = "history writer"}, [this] { write_loop(); });
}

void history::run_job(const std::shared_ptr<job>& j) {
  jobs_.send(j);
  static_cast<void>(j->done.recv());
}

store_result<void> history::append(std::span<const stored_line> lines) {
  auto j = std::make_shared<job>();
  j->lines = lines;
  run_job(j);
  return std::move(j->outcome);
}

store_result<void> history::save(channel_record& channel) {
  auto j = std::make_shared<job>();
  j->other = [&channel](store& s) { return s.save_channel(channel); };
  run_job(j);
  return std::move(j->outcome);
}

store_result<std::optional<channel_snapshot>> history::load(std::string_view name) {
  std::optional<channel_snapshot> found;
  auto j = std::make_shared<job>();
  j->other = [&](store& s) -> store_result<void> {
    auto loaded = s.load_channel(name);
    if (!loaded) return std::unexpected(loaded.error());
    found = std::move(*loaded);
    return {};
  };
  run_job(j);
  if (!j->outcome) return std::unexpected(j->outcome.error());
  return found;
}

void history::write_loop() {
  while (auto first = jobs_.recv()) {
    job_list batch = take_batch(std::move(*first));
    weft::blocking([&] { commit(batch); });
    for (const auto& j : batch) j->done.send(true);
  }
  weft::blocking([&] { store_.reset(); });
}

history::job_list history::take_batch(std::shared_ptr<job> first) {
  std::size_t lines = first->lines.size();
  job_list batch{std::move(first)};
  while (lines < lines_per_commit_max) {
    auto next = jobs_.try_recv();
    if (!next) break;
    lines += (*next)->lines.size();
    batch.push_back(std::move(*next));
  }
  return batch;
}

// commit: neighbouring appends share one transaction; anything else is done where it stands.
void history::commit(job_list& batch) {
  for (std::size_t at = 0; at < batch.size();) {
    if (batch[at]->other) {
      batch[at]->outcome = batch[at]->other(*store_);
      ++at;
      continue;
    }
    std::vector<std::span<const stored_line>> parts;
    std::size_t end = at;
    for (; end < batch.size() && !batch[end]->other; ++end) parts.push_back(batch[end]->lines);
    const auto outcome = store_->append(parts);
    for (; at < end; ++at) batch[at]->outcome = outcome;
  }
}

void history::stop() {
  jobs_.close();
  static_cast<void>(writer_.wait());
  readers_.clear();
}

}  // namespace tertulia
