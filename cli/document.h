// A JSON document, built up value by value. Keeps the JSON library, which is slow to compile, in
// one file.
#ifndef LARDER_CLI_DOCUMENT_H_
#define LARDER_CLI_DOCUMENT_H_

#include <cstdint>
#include <memory>
#include <string_view>

namespace larder::cli {

class Document {
 public:
  static Document object();
  static Document list();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  // Members of an object, in the order they are set.
  Document& set(std::string_view name, std::string_view value);
  Document& set(std::string_view name, const char* value) {
    return set(name, std::string_view(value));
  }
  Document& set(std::string_view name, std::uint64_t value);
  Document& set(std::string_view name, std::int64_t value);
  Document& set(std::string_view name, bool value);
  Document& set(std::string_view name, const Document& value);
  Document& set_null(std::string_view name);

  // An item of a list.
  Document& append(const Document& value);
  Document& append(std::string_view value);

  // On standard output. Bytes that are no UTF-8 are replaced.
  void print() const;

 private:
  struct Json;
  explicit Document(std::unique_ptr<Json> json);
  std::unique_ptr<Json> json_;
};

}  // namespace larder::cli

#endif  // LARDER_CLI_DOCUMENT_H_
