#pragma once
#include <cstddef>
#include <memory>

namespace octet {

/// Memory for numbers: 64-byte aligned, not initialised, in huge pages where it is large. Throws std::bad_alloc.
std::shared_ptr<const void> allocate_storage(size_t bytes);

/// While one of these lives, large blocks that are freed are kept, up to a limit, for the next ones of about their
/// size: faulting in fresh pages for every activation would take a quarter of a prefill's time.
class StorageReuse {
 public:
  static constexpr size_t kKeptBytes = size_t{128} << 20;
  StorageReuse();
  ~StorageReuse();
  /// How many bytes are kept from now on, kKeptBytes at first; returns the limit before. 0 where memory is promised.
  static size_t limit(size_t bytes);
  StorageReuse(const StorageReuse&) = delete;
  StorageReuse& operator=(const StorageReuse&) = delete;
};

}  // namespace octet
