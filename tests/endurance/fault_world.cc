#include "tests/endurance/fault_world.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "format/entry_name.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(errc_name(result.error().code));
}

// A file system in memory where there is one: a sync is then an operation like others.
fs::path temporary_directory() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

constexpr std::uint8_t shards = 3;  // so that entries share folders

}  // namespace

FaultWorld::FaultWorld(FileLayout layout) {
  std::string pattern = (temporary_directory() / "larder-").string() + std::string(6, 'X');
  directory_ = ::mkdtemp(pattern.data());
  options = {.directory = (directory_ / "parent" / "store").string(),
             .layout = layout,
             .flush_threads = 1};
  options.log = [this](LogLevel, std::string_view line) { record_.emplace_back(line); };
  options.on_evict = [this](const Eviction& eviction) {
    for (auto& [number, entry] : entries_) {
      if (key(number) == eviction.fingerprint) entry = {.may_hold = std::move(entry.may_hold)};
    }
  };
  options.file_system = &faults;
}

FaultWorld::~FaultWorld() {
  store_.reset();
  fs::remove_all(directory_);
}

Fingerprint FaultWorld::key(int entry) {
  Fingerprint fingerprint;
  fingerprint.bytes[0] = static_cast<std::uint8_t>(entry % shards);
  fingerprint.bytes[31] = static_cast<std::uint8_t>(entry);
  return fingerprint;
}

fs::path FaultWorld::path_of(int entry) const {
  return fs::path(options.directory) / format::entry_path(options.layout, key(entry));
}

void FaultWorld::note(std::string_view call, const std::string& outcome) {
  record_.push_back(std::string(call) + ": " + outcome);
}

void FaultWorld::expect(bool truth, const std::string& what) {
  if (!truth) violations_.push_back(what);
}

void FaultWorld::open() {
  auto opened = open_file_store(options);
  note("open", outcome(opened));
  store_ = opened.value_or(nullptr);
}

void FaultWorld::close() { store_.reset(); }

void FaultWorld::put(int entry, std::string_view payload) {
  if (!store_) return;
  const auto done = store_->put(key(entry), bytes_of(payload), {.recipe = "recipe"});
  note("put", outcome(done));
  Entry& model = entries_[entry];
  const std::string text(payload);
  if (done) {
    model.may_hold = {text};
    model.unflushed = text;
    model.damaged = false;
    model.mended = false;
  } else {
    model.may_hold.insert(text);
    model.mended = model.damaged;
  }
  if (!model.durable.empty()) model.durable.insert(text);
}

void FaultWorld::judge_get(int entry, const Result<std::optional<Artifact>>& found) {
  const Entry& model = entries_[entry];
  const std::string name = "entry " + std::to_string(entry);
  if (!found) {
    const bool blamed = found.error().code == Errc::corrupt;
    expect(!blamed || model.damaged, name + " was called corrupt");
  } else if (*found) {
    const std::string text((*found)->text());
    expect(model.may_hold.contains(text), name + " gave wrong bytes: " + text);
    expect(!model.damaged || model.mended, name + " was damaged, and given out");
  } else {
    expect(model.durable.empty(), name + " is durable, and called absent");
  }
}

void FaultWorld::get(int entry) {
  if (!store_) return;
  const auto found = store_->get(key(entry));
  note("get", found && !*found ? "absent" : outcome(found));
  judge_get(entry, found);
}

void FaultWorld::remove(int entry) {
  if (!store_) return;
  const auto removed = store_->remove(key(entry));
  note("remove", removed && !*removed ? "absent" : outcome(removed));
  Entry& model = entries_[entry];
  expect(!removed || *removed || model.durable.empty(), "a durable entry was called absent");
  model.durable.clear();
  model.unflushed.clear();
  if (removed) model.may_hold.clear();
}

void FaultWorld::flush() {
  if (!store_) return;
  const auto flushed = store_->flush();
  note("flush", outcome(flushed));
  if (!flushed && flushed.error().code != Errc::not_durable) return;
  for (auto& [number, model] : entries_) {
    const bool lost = !flushed && std::ranges::count(flushed.error().fingerprints, key(number)) > 0;
    if (lost) {
      model.durable.clear();
    } else if (!model.unflushed.empty()) {
      model.durable = {model.unflushed};
    }
    model.unflushed.clear();
  }
}

void FaultWorld::prune(const Budget& budget, DryRun dry_run) {
  if (!store_) return;
  const auto report = store_->prune(budget, dry_run);
  note("prune", outcome(report));
  if (report) note("evicted", std::to_string(report->evicted_entries));
}

void FaultWorld::clear() {
  if (!store_) return;
  const auto report = store_->clear();
  note("clear", outcome(report));
  if (report) note("evicted", std::to_string(report->evicted_entries));
}

void FaultWorld::lease(int entry) {
  if (!store_) return;
  const auto first = store_->try_lease(key(entry));
  note("lease", first && *first == nullptr ? "held" : outcome(first));
  const auto second = store_->try_lease(key(entry));
  note("second lease", second && *second == nullptr ? "held" : outcome(second));
  const bool both = first && *first && second && *second;
  expect(!both, "two leases on one fingerprint");
}

void FaultWorld::keep_statistics() {
  if (!store_) return;
  note("add", outcome(store_->add_statistics({.lookups = 2, .hits = 2})));
  const auto kept = store_->statistics();
  note("statistics", kept ? std::to_string(kept->hits) : outcome(kept));
  note("reset", outcome(store_->reset_statistics()));
}

void FaultWorld::look_around(int entry) {
  if (!store_) return;
  const auto details = store_->inspect(key(entry));
  note("inspect", details && !*details ? "absent" : outcome(details));
  std::size_t seen = 0;
  const auto visited = store_->visit([&](const EntryInfo& info) {
    ++seen;
    note("entry", info.fingerprint.hex() + " " + std::to_string(info.payload_bytes));
    return Visit::go_on;
  });
  note("visit", outcome(visited) + " " + std::to_string(seen));
  const auto there = store_->contains(key(entry));
  note("contains", there && !*there ? "absent" : outcome(there));
}

void FaultWorld::damage(int entry) {
  Entry& model = entries_[entry];
  std::fstream file(path_of(entry), std::ios::in | std::ios::out | std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t payload = text.find(*model.may_hold.begin());
  expect(payload != std::string::npos, "no payload to damage");
  file.clear();
  file.seekp(static_cast<std::streamoff>(payload));
  file.put(static_cast<char>(text[payload] ^ 1));
  model.damaged = true;
  model.durable.clear();
  model.unflushed.clear();
}

void FaultWorld::leave_temporary() {
  std::ofstream(fs::path(options.directory) / format::temporary_name(std::string(32, 'a'))) << "x";
}

std::vector<std::string> FaultWorld::record() const {
  std::vector<std::string> noticed = record_;
  if (!store_) return noticed;
  const Metrics metrics = store_->metrics();
  for (const MetricField& field : metric_fields()) {
    // Bytes on disk depend on the file system's mood.
    if (field.name == "bytes") continue;
    noticed.push_back(std::string(field.name) + " " + std::to_string(metrics.*field.member));
  }
  const Durability durability = store_->durability();
  noticed.push_back("pending " + std::to_string(durability.pending));
  return noticed;
}

// The faults are gone: an entry put now must come back, and a flush must not lose it.
void FaultWorld::check_store_works(Store& store, int spare_entry) {
  const std::string text = "spare " + std::to_string(spare_entry);
  const auto done = store.put(key(spare_entry), bytes_of(text));
  expect(done.has_value(), "afterwards a put fails: " + (done ? "" : done.error().message));
  const auto found = store.get(key(spare_entry));
  expect(found && *found && (*found)->text() == text, "afterwards a put entry is not got");
  const auto flushed = store.flush();
  const bool named =
      !flushed && std::ranges::count(flushed.error().fingerprints, key(spare_entry)) > 0;
  expect(!named, "afterwards a flush still fails for new entries");
  expect(store.metrics().balanced(), "look-ups without an outcome");
}

void FaultWorld::check_aftermath() {
  constexpr int spare_of_old = 100;
  faults.clear_faults();
  if (store_ && options.access == Access::read_write) check_store_works(*store_, spare_of_old);
  store_.reset();
  check_with_a_sound_system();
}

void FaultWorld::check_with_a_sound_system() {
  constexpr int spare_of_new = 101;
  FileStoreOptions sound = options;
  sound.file_system = nullptr;
  sound.budget = {};
  sound.access = Access::read_write;
  const auto opened = open_file_store(sound);
  expect(opened.has_value(), "cannot be opened: " + (opened ? "" : opened.error().message));
  if (!opened) return;
  for (const auto& [number, model] : entries_) {
    const auto found = (*opened)->get(key(number));
    judge_get(number, found);
    if (model.durable.empty()) continue;
    const bool right = found && *found && model.durable.contains(std::string((*found)->text()));
    expect(right, "durable entry " + std::to_string(number) + " is lost");
  }
  check_store_works(**opened, spare_of_new);
  const auto flushed = (*opened)->flush();
  expect(flushed.has_value(), "a store opened afterwards cannot flush");
  for (const auto& entry : fs::recursive_directory_iterator(options.directory)) {
    const std::string name = entry.path().filename().string();
    expect(!format::is_temporary_name(name), "a leftover was not swept: " + name);
  }
}

}  // namespace larder
