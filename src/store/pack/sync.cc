// The way to the disk: one fdatasync for each segment that has something new, then one fsync for
// the names. A sync that failed is never tried again: the kernel may have forgotten what it could
// not write. The segment gets a name that says how far it may be believed, so that nobody takes its
// records from memory that the disk never got; a mark in `state` stands for that name from before
// the sync until it is there (sync_marks.h).
#include <algorithm>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/writers.h"

namespace larder::pack_store {

std::string Writers::bad_name_of(const SegmentWriter& writer) {
  return format::bad_segment_name(
      writer.number(), static_cast<std::uint32_t>(writer.synced_until() / format::pack_unit_bytes));
}

std::vector<Writers::Job> Writers::find_jobs() {
  std::vector<Job> jobs;
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    if (!writer->has_unsynced() && !writer->is_sealed() && !writer->has_failed()) continue;
    jobs.push_back(
        {.writer = writer, .unsynced = writer->unsynced(), .bad_name = bad_name_of(*writer)});
  }
  return jobs;
}

// Whatever else goes wrong: nobody appends, syncs, relies on or believes what lies behind the last
// sync, in any process.
void Writers::note_failure(SegmentWriter& writer,
                           const std::optional<SyncMarks::Mark>& mark) noexcept {
  const std::lock_guard lock(writer.mutex());
  writer.fail();
  writer.segment()->distrust_from(writer.synced_until());
  if (mark) marks_.note_failure(*mark, writer.synced_until());
}

// What throws has not told whether it came before the sync or after it.
Result<Writers::Tried> Writers::sync_one(const Job& job) {
  SegmentWriter& writer = *job.writer;
  if (writer.has_failed()) {
    return std::unexpected(Error{.code = Errc::io_error, .message = "an earlier sync failed"});
  }
  const auto mark = marks_.set(writer.number());
  if (!mark) return Tried::no;
  File& file = *writer.segment()->file();
  auto synced = guarded([&] { return file.sync_data(); });
  if (!synced) {
    note_failure(writer, mark);
    return std::unexpected(std::move(synced).error());
  }
  marks_.take_back(*mark);
  // The kernel syncs a deleted file without complaint.
  LARDER_TRY(const bool is_there, is_at_its_name(writer));
  if (is_there) return Tried::yes;
  return std::unexpected(Error{.code = Errc::absent,
                               .message = format::segment_name(writer.number()) +
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
  job.writer->synced(job.unsynced);
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

// Before anybody can take the lock. What is in its name needs no mark; but what a dead owner left
// counts as good there without having been synced for certain.
Result<void> Writers::rename_bad(const Job& job) {
  const SegmentWriter& writer = *job.writer;
  const auto is_there = is_at_its_name(writer);
  if (!is_there || *is_there) {
    LARDER_CHECK_OK(parts_.segments.rename_no_replace(format::segment_name(writer.number()),
                                                      parts_.segments, job.bad_name));
    (void)parts_.segments.sync();
  }
  if (writer.is_vouched()) marks_.forget(writer.number());
  return {};
}

// What the writer has not synced belongs to nobody any more: since it has failed, nothing comes to
// that. Should memory run out before all is noted, the next sync finds it once more.
void Writers::lose(const Job& job, const Error& why) {
  SegmentWriter& writer = *job.writer;
  if (!writer.has_failed()) note_failure(writer, marks_.set(writer.number()));
  // When the disk refuses the name, the mark and the index say as much.
  (void)guarded([&] { return rename_bad(job); });
  lost_.error = why;
  lost_.distrusted.push_back({.segment = writer.number(), .offset = writer.synced_until()});
  {
    const std::lock_guard lock(writer.mutex());
    const auto& unsynced = writer.pending();
    lost_.fingerprints.insert(lost_.fingerprints.end(), unsynced.begin(), unsynced.end());
    writer.forget_unsynced();
  }
  for (Slot& slot : slots_) {
    const std::lock_guard lock(slot.mutex);
    if (slot.writer == job.writer) slot.writer.reset();
  }
  const std::lock_guard lock(writer.mutex());
  drop(job.writer);
}

// What was put meanwhile into segments that had nothing to sync.
void Writers::lose_what_came_since(const Error& why) {
  for (const Job& rest : find_jobs()) {
    if (has_unsynced(*rest.writer)) lose(rest, why);
  }
}

Writers::Lost Writers::sync(const InPlace& in_place, const SyncFiles& sync_files) {
  const std::lock_guard one_at_a_time(sync_mutex_);
  std::vector<Job> jobs = find_jobs();
  std::vector<Job> good;
  good.reserve(jobs.size());
  std::optional<Error> undecided;
  Undecided if_undecided = Undecided::waits;
  if (sync_files && !guarded_or(false, sync_files)) {
    if_undecided = Undecided::is_lost;
    for (Job& job : jobs) withhold_proof(job);
  }
  for (Job& job : jobs) {
    const auto tried = sync_one(job);
    if (!tried) {
      lose(job, tried.error());
      if_undecided = Undecided::is_lost;
    } else if (*tried == Tried::no) {
      undecided = Error{.code = Errc::timed_out,
                        .message = "too many syncs were cut short; call maintain, then try again"};
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
      lose(job, named.error());
    } else if (there && !*there) {
      lose(job, gone);
    } else if (there) {
      finish(job);
    } else if (if_undecided == Undecided::is_lost) {
      lose(job, there.error());
    }
  }
  if (!there && if_undecided == Undecided::waits) undecided = there.error();
  if (there && !*there) lose_what_came_since(gone);
  Lost lost = std::exchange(lost_, {});
  lost.undecided = std::move(undecided);
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
