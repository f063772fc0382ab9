// The way to the disk: one fdatasync for each segment that has something new, then one fsync for
// the names. A sync that failed is never tried again: the kernel may have forgotten what it could
// not write. The segment gets a name that says how far it may be believed, so that nobody takes its
// records from memory that the disk never got.
#include <algorithm>
#include <iterator>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/writers.h"

namespace larder::pack_store {

std::vector<Writers::Job> Writers::take_jobs() {
  std::vector<Job> jobs;
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    if (!writer->has_unsynced() && !writer->is_sealed()) continue;
    jobs.push_back({.writer = writer, .taken = writer->take_unsynced()});
  }
  return jobs;
}

Result<void> Writers::sync_one(Job& job) {
  File& file = *job.writer->segment()->file();
  LARDER_CHECK_OK(file.sync_data());
  // The kernel syncs a deleted file without complaint.
  LARDER_TRY(const bool is_there, is_at_its_name(*job.writer));
  if (is_there) return {};
  return std::unexpected(Error{.code = Errc::absent,
                               .message = format::segment_name(job.writer->number()) +
                                          ": the segment was deleted or moved away"});
}

Result<bool> Writers::is_at_its_name(const SegmentWriter& writer) {
  LARDER_TRY(const FileInfo held, writer.segment()->file()->info());
  const auto named = parts_.segments.info_at(format::segment_name(writer.number()));
  if (!named && named.error().code == Errc::absent) return false;
  if (!named) return std::unexpected(named.error());
  return named->same_file(held);
}

Result<void> Writers::sync_names(std::vector<Job>& jobs) {
  const bool any_new =
      std::ranges::any_of(jobs, [](const Job& job) { return job.writer->is_new(); });
  if (!any_new) return {};
  return parts_.segments.sync();
}

void Writers::finish(Job& job) {
  const std::lock_guard lock(job.writer->mutex());
  job.writer->synced(job.taken);
  job.writer->name_is_durable();
  if (!job.writer->is_sealed() || job.writer->has_unsynced()) return;
  // Without the trailer others do not rely on it; it is written when somebody seals again.
  (void)job.writer->prove_durable();
  drop(job.writer);
}

void Writers::withhold_proof(Job& job) {
  const std::lock_guard lock(job.writer->mutex());
  job.writer->withhold_proof();
}

// With the writer's mutex held, or by the only one who knows it. Its lock goes with its file, when
// the last reader has closed it.
void Writers::drop(const std::shared_ptr<SegmentWriter>& writer) {
  writer->trim();  // while nobody else can append
  (void)writer->segment()->file()->unlock(owner_lock_at, 1);
  parts_.table.remove(writer->number());
  const std::lock_guard lock(sealed_mutex_);
  std::erase(sealed_, writer);
}

// What the writer has not synced, this job's and what came later, belongs to nobody any more.
void Writers::give_up(Job& job, Lost& lost) {
  for (Slot& slot : slots_) {
    const std::lock_guard lock(slot.mutex);
    if (slot.writer == job.writer) slot.writer.reset();
  }
  const std::lock_guard lock(job.writer->mutex());
  const auto later = job.writer->give_up();
  std::ranges::copy(job.taken.fingerprints, std::back_inserter(lost.fingerprints));
  std::ranges::copy(later.fingerprints, std::back_inserter(lost.fingerprints));
}

void Writers::lose(Job& job, const Error& why, Lost& lost) {
  give_up(job, lost);
  lost.error = why;
  const std::uint64_t good_until = job.writer->synced_until();
  const std::uint32_t number = job.writer->number();
  job.writer->segment()->distrust_from(good_until);
  lost.distrusted.push_back({.segment = number, .offset = good_until});
  // Before anybody can take the lock. When the disk refuses even this, the index at least forgets.
  const std::string bad = format::bad_segment_name(
      number, static_cast<std::uint32_t>(good_until / format::pack_unit_bytes));
  const auto is_there = is_at_its_name(*job.writer);
  if (!is_there || *is_there) {
    (void)parts_.segments.rename_no_replace(format::segment_name(number), parts_.segments, bad);
    (void)parts_.segments.sync();
  }
  drop(job.writer);
}

Writers::Lost Writers::sync(const InPlace& in_place, const SyncFiles& sync_files) {
  const std::lock_guard one_at_a_time(sync_mutex_);
  std::vector<Job> jobs = take_jobs();
  Lost lost;
  Undecided if_undecided = Undecided::waits;
  if (sync_files && !guarded_or(false, sync_files)) {
    if_undecided = Undecided::is_lost;
    for (Job& job : jobs) withhold_proof(job);
  }
  std::vector<Job> good;
  for (Job& job : jobs) {
    if (const auto synced = sync_one(job); !synced) {
      lose(job, synced.error(), lost);
      if_undecided = Undecided::is_lost;
    } else {
      good.push_back(std::move(job));
    }
  }
  const auto named = sync_names(good);
  if (!named) if_undecided = Undecided::is_lost;
  const auto there = in_place();
  const Error gone{.code = Errc::absent,
                   .message = "the store's directory was deleted or moved away"};
  for (Job& job : good) {
    if (!named && job.writer->is_new()) {
      lose(job, named.error(), lost);
    } else if (there && !*there) {
      lose(job, gone, lost);
    } else if (there) {
      finish(job);
    } else if (if_undecided == Undecided::is_lost) {
      lose(job, there.error(), lost);
    } else {
      const std::lock_guard lock(job.writer->mutex());
      job.writer->give_back(std::move(job.taken));
    }
  }
  if (!there && if_undecided == Undecided::waits) lost.undecided = there.error();
  if (!there || *there) return lost;
  // What was put meanwhile into segments that had nothing to sync.
  for (const auto& writer : all()) {
    if (!has_unsynced(*writer)) continue;
    Job rest{.writer = writer, .taken = {}};
    lose(rest, gone, lost);
  }
  return lost;
}

void Writers::close_all() {
  for (Slot& slot : slots_) {
    const std::lock_guard lock(slot.mutex);
    if (!slot.writer) continue;
    const auto writer = std::move(slot.writer);  // outlives the lock on its mutex
    const std::lock_guard writing(writer->mutex());
    writer->trim();
    drop(writer);
  }
}

}  // namespace larder::pack_store
