// A directory in memory with a store, opened twice as two processes would, and every call held
// against the model.
#ifndef LARDER_TESTS_FUZZ_STORE_WORLD_H_
#define LARDER_TESTS_FUZZ_STORE_WORLD_H_

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "larder/file_system.h"
#include "larder/pack_store.h"
#include "larder/store.h"
#include "larder/testing/fault_file_system.h"
#include "tests/fuzz/model.h"

namespace larder::fuzz {

struct StoreChoice {
  enum class Kind { pack, file, vyre } kind = Kind::pack;
  Budget budget = {};
  Compression compression = Compression::none;
  Access second_access = Access::read_write;
  bool has_key = false;      // not in the vyre layout
  bool is_rotating = false;  // two keys, of which the two write with different ones
  bool has_faults = false;
};

class StoreWorld {
 public:
  explicit StoreWorld(const StoreChoice& choice);
  ~StoreWorld();
  StoreWorld(const StoreWorld&) = delete;
  StoreWorld& operator=(const StoreWorld&) = delete;

  // Which of the two the following calls go to; opens it. False: it cannot be opened any more,
  // which only a spoilt byte excuses.
  bool turn_to(std::size_t which);
  void close();
  void close_both();

  // Faults of the file system, for so many calls. Each call lies between a begin and an end; what
  // meets a fault may fail, and what comes later may only tell of what was lost by it.
  void fail(const testing::Fault& fault, unsigned calls);
  void begin_call();
  void end_call();
  void end_faults();

  void put(std::size_t number, const std::string& payload);
  void get(std::size_t number);
  void get_into(std::size_t number, std::size_t room);
  void get_many(const std::vector<std::size_t>& numbers);
  void view(std::size_t number);
  void contains(std::size_t number);
  void inspect(std::size_t number);
  void remove(std::size_t number);
  void flush();
  void prune(const Budget& budget);
  void clear();
  void maintain();
  void visit();

  // Somebody with another key comes, does what he may, and goes: he finds only what is his, and
  // takes nothing away but by a budget, and in a file store by a put. Nor does anybody take away
  // what is his.
  void let_stranger_work(std::size_t number, unsigned what);

  // Changes one byte of one file: of any when nobody has the store open, else of those that hold
  // artifacts.
  void spoil(std::uint8_t file, std::uint32_t at, std::uint8_t by);

  // What a segment or an entry file holds, to be put as if it were an artifact.
  std::string first_file_of_artifacts() const;

  // Every entry, by both.
  void check_all();

 private:
  Store& store() { return *stores_[current_]; }
  bool may_write() const;
  bool anybody_open() const;
  std::vector<std::filesystem::path> files_of_artifacts() const;
  Keys own_keys(std::size_t which) const;
  void put_by_stranger(Store& stranger, std::size_t number, unsigned what);
  void check_stranger();
  Result<std::shared_ptr<Store>> open(Access access, const Keys& keys);
  void judge(const Model& model, std::size_t number, const Lookup& found) const;
  void check_error(const Model& model, std::size_t number, const Error& error) const;
  void require_refused(const Error* error) const;
  void require_pruned_nothing(const Result<PruneReport>& done) const;
  bool may_spoil(const std::filesystem::path& path, std::uintmax_t place);
  bool has_met_fault() const;
  void settle();
  bool is_excused() const { return !model_.is_certain() || has_met_fault(); }
  void judge(std::size_t number, const Lookup& found);

  const StoreChoice choice_;
  std::filesystem::path directory_;
  testing::FaultFileSystem faults_{posix_file_system()};
  std::map<std::filesystem::path, std::uintmax_t> spoilt_headers_;  // of segments: which copy
  std::size_t met_before_ = 0;                                      // faults, when this call began
  unsigned calls_with_faults_ = 0;
  bool may_evict_ = false;  // this call
  // The last flush did, and the next one may, until it is put again.
  std::array<bool, 2> tells_loss_ = {};
  std::array<std::shared_ptr<Store>, 2> stores_;
  std::size_t current_ = 0;
  Model model_;
  Model strangers_;
};

}  // namespace larder::fuzz

#endif  // LARDER_TESTS_FUZZ_STORE_WORLD_H_
