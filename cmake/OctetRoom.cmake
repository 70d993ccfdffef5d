# A room is a folder of src/: a static library octet_NAME, and NAME_test made of the *_test.cpp beside the code.
# Files named *_avx2.cpp, *_neon.cpp and so on are compiled with that instruction set, on its processors only, and
# share nothing inline.

get_filename_component(OCTET_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

add_library(octet_options INTERFACE)
target_include_directories(octet_options INTERFACE ${OCTET_ROOT}/src)
target_compile_options(octet_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off)
target_compile_definitions(octet_options INTERFACE OCTET_VERSION="${PROJECT_VERSION}")
if(OCTET_SANITIZE)
  target_compile_options(octet_options INTERFACE -fsanitize=${OCTET_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all -g1)
  target_link_options(octet_options INTERFACE -fsanitize=${OCTET_SANITIZE})
endif()
if(OCTET_FUZZ)
  target_compile_options(octet_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The one precompiled header; every room reuses it.
if(NOT EXISTS ${CMAKE_BINARY_DIR}/pch.cpp)  # written again, it would be compiled again
  file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp "")
endif()
add_library(octet_pch STATIC ${CMAKE_BINARY_DIR}/pch.cpp)
target_link_libraries(octet_pch PUBLIC octet_options fmt::fmt Threads::Threads)
target_precompile_headers(octet_pch PRIVATE ${OCTET_ROOT}/src/base/precompiled.h)

# GCC 12 warns of its own intrinsics (bug 105593).
set(OCTET_ISA_WARNINGS $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -Wno-uninitialized)
set(OCTET_ISA_FLAGS_avx2 ${OCTET_ISA_WARNINGS} -mavx2 -mfma -mf16c)
set(OCTET_ISA_FLAGS_avx512 ${OCTET_ISA_WARNINGS} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mavx2
    -mprefer-vector-width=512)
set(OCTET_ISA_FLAGS_avx512vnni ${OCTET_ISA_FLAGS_avx512} -mavx512vnni)
set(OCTET_ISA_FLAGS_avx512bf16 ${OCTET_ISA_FLAGS_avx512vnni} -mavx512bf16 -mavx512vbmi -mgfni)
set(OCTET_ISA_FLAGS_neon ${OCTET_ISA_WARNINGS})
set(OCTET_ISA_FLAGS_neon_dotprod ${OCTET_ISA_WARNINGS} -march=armv8.2-a+dotprod)
set(OCTET_ISA_FLAGS_neon_i8mm ${OCTET_ISA_WARNINGS} -march=armv8.2-a+dotprod+i8mm)
set(OCTET_ISAS_x86_64 "avx2|avx512|avx512vnni|avx512bf16")
set(OCTET_ISAS_aarch64 "neon|neon_dotprod|neon_i8mm")
set(OCTET_ROOMS "" CACHE INTERNAL "")

# Names of tests differ between builds, so that one run of ctest can hold both.
set(OCTET_TEST_PREFIX "")
if(OCTET_SANITIZE)
  set(OCTET_TEST_PREFIX "sanitized.")
endif()

function(octet_isa_sources)
  foreach(source ${ARGN})
    if(NOT source MATCHES "_(${OCTET_ISAS_x86_64}|${OCTET_ISAS_aarch64})\\.cpp$")
      continue()
    endif()
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${OCTET_ISA_FLAGS_${CMAKE_MATCH_1}}"
                                                     SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

# Takes the files for other processors off a list.
macro(octet_leave_out_other_processors list)
  foreach(processor x86_64 aarch64)
    if(NOT processor STREQUAL CMAKE_SYSTEM_PROCESSOR)
      list(FILTER ${list} EXCLUDE REGEX "_(${OCTET_ISAS_${processor}})\\.cpp$")
    endif()
  endforeach()
endmacro()

function(octet_room name)
  cmake_parse_arguments(ROOM "" "" "LINK;WITHOUT" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${OCTET_ROOT}/src/${name}/*.cpp)
  foreach(without ${ROOM_WITHOUT})  # a file and its test
    list(FILTER sources EXCLUDE REGEX "/${without}(_test)?\\.cpp$")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)  # a room of headers only
    set(sources ${CMAKE_BINARY_DIR}/pch.cpp)
  endif()
  octet_leave_out_other_processors(sources)
  octet_isa_sources(${sources})
  add_library(octet_${name} STATIC ${sources})
  target_link_libraries(octet_${name} PUBLIC octet_options ${OCTET_ROOMS} ${ROOM_LINK})
  target_precompile_headers(octet_${name} REUSE_FROM octet_pch)
  set(OCTET_ROOMS octet_${name} ${OCTET_ROOMS} CACHE INTERNAL "")
  if(OCTET_TESTS AND tests)
    octet_test(${name}_test SOURCES ${tests} LINK octet_${name})
  endif()
endfunction()

# A GoogleTest program; each TEST becomes one entry of ctest. Data is read from ../shared/data and tests/golden.
function(octet_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LINK" ${ARGN})
  if(NOT TARGET GTest::gtest)
    find_package(GTest REQUIRED)
  endif()
  include(GoogleTest)
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${T_LINK} GTest::gtest GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM octet_pch)
  target_compile_definitions(${name} PRIVATE OCTET_GOLDEN_DIR="${OCTET_ROOT}/tests/golden"
                                             OCTET_DATA_DIR="${OCTET_ROOT}/../shared/data")
  gtest_discover_tests(${name} TEST_PREFIX "${OCTET_TEST_PREFIX}${name}." DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
