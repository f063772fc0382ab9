// A sound store whose files can be spoilt, one thing at a time, and put right again; and the
// question that every spoilt state must answer: the right bytes, or none.
//
// A case is a state of the files that differs from the sound one and was asked about. Only those
// are counted, by the code that spoils and asks, so that no test can claim what it did not do. Each
// has half a minute; one that ends the process is named on the way out.
#ifndef LARDER_TESTS_ENDURANCE_CORRUPTION_H_
#define LARDER_TESTS_ENDURANCE_CORRUPTION_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack_index.h"
#include "larder/pack_store.h"

namespace larder::corruption {

enum class Kind { larder, vyre, pack, zstd_pack };
std::string_view name_of(Kind kind) noexcept;
inline bool is_pack(Kind kind) noexcept { return kind == Kind::pack || kind == Kind::zstd_pack; }

inline constexpr std::uint64_t sector_bytes = 512;

// Under a sanitizer one case in so many: what it is there for shows in any of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t one_in = 17;
#elif defined(__has_feature)
inline constexpr std::uint64_t one_in =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 17 : 1;
#else
inline constexpr std::uint64_t one_in = 1;
#endif

// LARDER_SEED, or 1; printed at the end, with the number of cases.
std::uint64_t seed();
std::uint64_t cases();

struct Entry {
  std::uint32_t number = 0;
  std::string value = {};
  std::string recipe = {};
  std::string older = {};  // the value before; a rebuild may find it when the newest record is lost
  bool is_removed = false;
};

// Bytes that an entry consists of.
struct Place {
  std::string file = {};
  std::uint64_t from = 0;
  std::uint64_t until = 0;
  bool is_newest = true;  // else of an older value, or of nothing that a get reads
};

struct SoundFile {
  std::filesystem::path path = {};
  std::string bytes = {};
  int descriptor = -1;
};

// A closed store with entries of 0, 100 and 5000 bytes, a replaced one, a removed one, a large one;
// in a pack the first three again in a small sealed segment.
class Specimen {
 public:
  // `flavour` makes the values of two stores differ.
  Specimen(Kind kind, std::uint32_t flavour);
  Specimen(const Specimen&) = delete;
  Specimen& operator=(const Specimen&) = delete;
  ~Specimen();

  Kind kind() const noexcept { return kind_; }
  const std::filesystem::path& root() const noexcept { return root_; }
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  const std::vector<Place>& places(std::uint32_t number) const { return places_.at(number); }
  const std::map<std::string, SoundFile>& files() const noexcept { return files_; }
  const std::string& bytes(const std::string& file) const { return files_.at(file).bytes; }
  std::vector<std::string> data_files() const;  // entries and segments
  std::string index_file() const;               // of a pack

  Result<std::shared_ptr<Store>> open(Access access) const;
  std::uint64_t disk_bytes() const;  // as du counts

  // Whatever was done to it.
  void restore();

 private:
  void fill(std::uint32_t flavour);
  void add_sealed_segment(std::uint32_t flavour);
  void put(Store& store, const Entry& entry);
  void remember_files();
  void remember_places();
  void add_records(const std::string& file);
  void close_files();

  const Kind kind_;
  std::filesystem::path parent_;
  std::filesystem::path root_;
  std::vector<Entry> entries_;
  std::map<std::uint32_t, std::vector<Place>> places_;
  std::map<std::string, SoundFile> files_;
};

enum class Answer { right, older, missing, wrong };

// Asks in every way that there is: get, get_into, get_many, contains, view, inspect. Wrong too when
// they do not agree.
Answer ask(Store& store, const Entry& entry);
Answer ask_get(Store& store, const Entry& entry);

// What entries may answer that no damage touched.
enum class Others { must_be_right, may_be_missing };

// One spoilt state. The files are sound again at the end of its life.
class Case {
 public:
  Case(const Specimen& specimen, std::string_view what);
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
  ~Case();

  void overwrite(const std::string& file, std::uint64_t at, std::string_view bytes);
  void flip(const std::string& file, std::uint64_t bit);
  void cut(const std::string& file, std::uint64_t length);
  void become(const std::string& file, std::string_view bytes);  // all of it

  bool is_one() const;  // whether any file differs from the sound one
  bool hits(const Entry& entry) const;
  bool hits_an_older_record_of(const Entry& entry) const;

  // Of a store that was opened for reading before: it removes nothing. By get and one other way,
  // each in turn.
  void ask_open(Store& store, Others others) const;

  // Opens the store anew for writing, alone; asks for everything, puts what is lost again, closes,
  // and asks once more. The specimen is to be restored afterwards.
  enum class Hints { kept, lost };
  enum class Opening { must_succeed, may_be_refused };
  void ask_anew(Hints hints, Opening opening, Others others) const;

  std::string describe() const;

 private:
  struct Touched {
    const SoundFile* file;
    const std::string* name;
    std::uint64_t from;
    std::uint64_t until;
  };

  const SoundFile& touch(const std::string& file, std::uint64_t from, std::uint64_t until);
  bool touches(const Place& place) const;
  void expect(Answer answer, const Entry& entry, Others others, const char* when) const;
  void count() const;
  void repair(Store& store) const;

  const Specimen& specimen_;
  const std::string_view what_;
  std::vector<Touched> touched_;
  bool is_spoilt_ = false;
};

void write_descriptor(int descriptor, std::string_view bytes, std::uint64_t at);
std::string random_bytes(std::mt19937_64& random, std::size_t count);

}  // namespace larder::corruption

#endif  // LARDER_TESTS_ENDURANCE_CORRUPTION_H_
