// A process that uses a store at random, and writes down what it does.
#ifndef LARDER_TESTS_ENDURANCE_WRITER_H_
#define LARDER_TESTS_ENDURANCE_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "larder/file_system.h"
#include "larder/pack_store.h"
#include "larder/store.h"
#include "tests/endurance/history.h"

namespace larder {

enum class Kind : std::uint8_t { pack, larder, vyre };
enum class Size : std::uint8_t { unbounded, bounded };  // bounded: so that it evicts all the time

std::string_view name_of(Kind kind) noexcept;

// What bounded stores may take on the disk.
std::uint64_t budget_bytes_of(Kind kind) noexcept;

struct StoreChoice {
  Kind kind = Kind::pack;
  Size size = Size::unbounded;
  std::string directory;
  EvictionListener on_evict = {};
  Logger log = {};
  FileSystem* file_system = nullptr;  // the machine's
};
Result<std::shared_ptr<Store>> open_chosen(const StoreChoice& choice);

struct WriterOptions {
  StoreChoice store;
  std::uint32_t number = 0;  // below `writers`
  std::uint64_t seed = 0;
};

// Opens the store and puts, removes, reads and flushes: entries of its own, some that all writers
// change, and some that all put with the same bytes. Until the stage is over, its history is full,
// or something is wrong, which it complains of there. Returns an exit status.
int write_at_random(Stage& stage, const WriterOptions& options);

// The store works: puts, flushes, and finds what it put. Returns what is wrong.
std::string use(Store& store, std::uint64_t version);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_WRITER_H_
