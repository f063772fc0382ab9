#include "corpus.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "random.h"

namespace larder::bench {
namespace {

namespace fs = std::filesystem;

// The biggest first: few files, few system calls.
std::vector<fs::path> libraries() {
  std::vector<std::pair<std::uintmax_t, fs::path>> found;
  for (const char* folder : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
                             "/usr/lib64", "/usr/lib", "/lib"}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const bool is_library = entry.path().filename().string().find(".so") != std::string::npos;
      if (!is_library || !entry.is_regular_file(ignored)) continue;
      found.emplace_back(entry.file_size(ignored), entry.path());
    }
  }
  std::ranges::sort(found, std::greater());
  std::vector<fs::path> paths;
  for (auto& [size, path] : found) paths.push_back(std::move(path));
  return paths;
}

template <class T>
bool read_at(std::ifstream& file, std::uint64_t offset, std::span<T> into) {
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size_bytes()));
  return file.good();
}

// Appends the executable sections of one library, `limit` bytes at most.
void append_code(const fs::path& path, std::size_t limit, std::vector<std::byte>& code) {
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header = {};
  if (!read_at(file, 0, std::span(&header, 1))) return;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!read_at(file, header.e_shoff, std::span(sections))) return;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_PROGBITS || (section.sh_flags & SHF_EXECINSTR) == 0) continue;
    const std::size_t size = std::min<std::size_t>(section.sh_size, limit);
    const std::size_t before = code.size();
    code.resize(before + size);
    if (!read_at(file, section.sh_offset, std::span(code).subspan(before))) {
      code.resize(before);
      return;
    }
    limit -= size;
  }
}

}  // namespace

Corpus Corpus::from_libraries(std::size_t bytes) {
  Corpus corpus;
  std::vector<std::byte>& code = corpus.code_;
  code.reserve(bytes);
  for (const fs::path& path : libraries()) {
    if (code.size() >= bytes) break;
    append_code(path, bytes - code.size(), code);
  }
  if (code.empty()) throw std::runtime_error("found no shared library to take machine code from");
  const std::size_t real = code.size();
  while (code.size() < bytes) {
    const std::size_t part = std::min(real, bytes - code.size());
    code.insert(code.end(), code.begin(), code.begin() + static_cast<std::ptrdiff_t>(part));
  }
  return corpus;
}

std::span<const std::byte> Corpus::slice(std::uint64_t index, std::size_t size) const {
  if (size > code_.size()) throw std::logic_error("the corpus is too small for such a payload");
  const std::uint64_t place = Random(index ^ 0x5bd1e995u).below(code_.size() - size + 1);
  return std::span(code_).subspan(place, size);
}

}  // namespace larder::bench
