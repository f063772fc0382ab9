// A store on a file system that fails on purpose, and what must be true of it all the same.
//
// Every call goes by a model that knows which bytes an entry may hold, and which entries a flush
// has called durable. What breaks a promise is noted in violations(); what a caller could have
// noticed (results, metrics, log lines) in record(), so that a fault which leaves no trace in it
// was hidden from everybody. What a stranger with another key has put is none of this store's, and
// must be there for him afterwards, but for what was evicted.
#ifndef LARDER_TESTS_ENDURANCE_FAULT_WORLD_H_
#define LARDER_TESTS_ENDURANCE_FAULT_WORLD_H_

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "larder/file_system.h"
#include "larder/store.h"
#include "larder/testing/fault_file_system.h"
#include "tests/endurance/fault_disk.h"
#include "tests/unit/shifted_clock.h"

namespace larder {

enum class AfterAKill { checked, unchecked };

// What silently became of bytes: then an entry may be refused or gone, and what a rebuild finds of
// it may be older; it is still never anything that was not put under its name.
enum class Spoilt { nothing, what_was_read, what_was_written };

// Told around each call of the store: for what is to fail in there, and not in the test.
struct CallWatch {
  void (*begin)() = [] {};
  void (*end)() = [] {};
};

class FaultWorld {
 public:
  explicit FaultWorld(StoreKind kind);
  FaultWorld(const FaultWorld&) = delete;
  FaultWorld& operator=(const FaultWorld&) = delete;
  ~FaultWorld();

  FileStoreOptions options;
  ShiftedClock clock;
  testing::FaultFileSystem faults{clock};
  CallWatch watch;
  Spoilt spoilt = Spoilt::nothing;
  std::uint64_t may_leave_untold = 0;  // entries that are evicted without a word

  // Each notes its outcome, and does nothing when the store could not be opened.
  void open();
  void close();
  void put(int entry, std::string_view payload);
  void get(int entry);
  void get_into(int entry);
  void get_many(const std::vector<int>& entries);
  void view(int entry);  // of a pack store alone
  void remove(int entry);
  void flush();
  void prune(const Budget& budget, DryRun dry_run = DryRun::no);
  void clear();
  void maintain();  // of a pack store alone
  void repair();
  void lease(int entry);
  void keep_statistics();
  void look_around(int entry);  // inspect, visit, contains

  // Behind the store's back.
  void damage(int entry);       // one bit of the payload
  void damage_name(int entry);  // of a pack's record: nobody can tell whose it is
  void leave_temporary();
  void lose_index();
  void empty_index();  // of a store that is closed: it lacks all entries, and does not know it
  void distrust(int segment);  // of a pack: as who was killed in a sync of it leaves it
  void lose(int entry, std::string_view payload);            // the file in which that stands
  void fill(int entries, std::string_view payload = {});     // of which nothing is remembered
  void put_by_another(int entry, std::string_view payload);  // by a store beside this one
  void fill_by_another(int entries);
  // By a process with another key, which flushes, reads it once, and is gone. In a pack it stands
  // beside what this store has under that name; in a file store nothing of it may stand there.
  void put_by_stranger(int entry, std::string_view payload);
  void close_as_killed();  // leaves on disk what a kill would have left

  // What a caller could have noticed so far, metrics and log lines included.
  std::vector<std::string> record() const;

  // With the faults gone: what a kill would leave now has every entry that was put and not named
  // as lost since; the same store goes on working, and one opened afterwards finds every durable
  // entry and works.
  void check_aftermath(AfterAKill after_a_kill);

  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Entry {
    std::set<std::string> may_hold = {};  // any of these a get may give
    std::set<std::string> durable = {};   // one of these it must give; empty: it may be absent
    std::set<std::string> standing = {};  // the same, as long as nobody is told that it is lost
    std::string unflushed = {};           // what the last put that was OK wrote
    std::set<std::string> fallback = {};  // after a loss: what a rebuild may find in its place
    bool damaged = false;                 // behind the store's back
    bool mended = false;                  // or perhaps not: a put over it failed
    bool evicted = false;                 // since the last put began
  };
  struct StrangersEntry {
    std::string payload = {};
    bool may_be_gone = false;  // evicted, or in the way of a put to a file store
  };

  void note_damage(Entry& model, bool was_found);
  static Fingerprint key(int entry);
  static std::string brief(std::string_view text);  // what the model keeps of a payload
  static Keys keys_of_stranger();
  std::filesystem::path path_of(int entry) const;
  template <class Call>
  std::invoke_result_t<Call> watched(const Call& call);
  void note(std::string_view call, const std::string& outcome);
  void expect(bool truth, const std::string& what);
  bool left_untold(int entry);
  void judge_get(int entry, const Result<std::optional<Artifact>>& found);
  void check_strangers(const std::filesystem::path& at);
  void find_hidden_again(Store& store);
  void check_all(Store& store, std::set<std::string> Entry::* must_be_there);
  void check_store_works(Store& store, int spare_entry);
  void check_after_a_kill();
  void check_with_a_sound_system();
  std::shared_ptr<Store> open_soundly(const std::filesystem::path& at, const Keys& keys);
  void fill_store(Store& store, int entries, std::string_view payload);
  Store& another();

  const StoreKind kind_;
  std::filesystem::path directory_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<Store> another_;
  std::map<int, Entry> entries_;
  std::map<int, std::set<std::string>> ever_;  // put under that name
  std::map<int, StrangersEntry> strangers_;
  bool some_unread_ = false;  // by the store's own log
  bool are_hidden_ = false;   // until its log says that the index was made anew
  std::multiset<std::string> evicted_;
  std::uint64_t evictions_told_ = 0;
  std::uint64_t evictions_counted_ = 0;
  std::set<int> left_untold_;
  std::vector<std::string> record_;
  std::vector<std::string> violations_;
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_FAULT_WORLD_H_
