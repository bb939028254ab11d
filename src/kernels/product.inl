// A block of a product of float matrices, written once. What and in which order: product.h.
//
// Columns of b are packed in panels of a few vectors; one stays in the nearest cache while the rows
// of a pass by. A row of a whose elements lie together is copied, else sixteen rows are packed
// element by element; a tile takes both. Strides are odd numbers of cache lines, as matrices'
// widths are often powers of two, whose lines would fight for the same few places in a cache.

inline constexpr std::int64_t kPanelColumns = kProductVectors * kLanes;
inline constexpr std::int64_t kCopyStride = kProductDepth + kLanes;
inline constexpr std::int64_t kGroupStride = kCopyStride * kLanes;
static_assert(kPanelColumns <= kMostPanelColumns && kLanes % kAttentionRows == 0);

inline std::int64_t at_most(std::int64_t most, std::int64_t n) { return n < most ? n : most; }

// Where elements of packed lines lie: element i of line l at
// to[l / 16 * group + i * element + l % 16].
struct LinePanels {
  float* to;
  std::int64_t group, element;
};

// Lines are rows of a, or columns of b. Packs elements [k, k + depth) of lines [0, count), and
// zeros where the last sixteen lack some.
inline void pack_lines(const FloatMatrix& lines, std::int64_t count, std::int64_t k,
                       std::int64_t depth, const LinePanels& panels) {
  const float* const from = lines.data + k * lines.column;
  if (lines.row == 1) {
    for (std::int64_t i = 0; i < depth; ++i) {
      const float* const row = from + i * lines.column;
      float* to = panels.to + i * panels.element;
      std::int64_t line = 0;
      for (; line + kLanes <= count; line += kLanes, to += panels.group)
        store(to, load(row + line));
      if (line < count) store(to, load_part(row + line, count - line));
    }
    return;
  }
  for (std::int64_t line = 0; line < count; line += kLanes) {
    float* const to = panels.to + line / kLanes * panels.group;
    const float* const first = from + line * lines.row;
    const std::int64_t here = at_most(kLanes, count - line);
    std::int64_t i = 0;
    for (; lines.column == 1 && here == kLanes && i + kLanes <= depth; i += kLanes) {
      Bytes elements[16];
      transpose(reinterpret_cast<const std::uint8_t*>(first + i),
                static_cast<std::size_t>(lines.row) * sizeof(float), elements);
      for (std::int64_t e = 0; e < kLanes; ++e)
        store_bytes(to + (i + e) * panels.element, elements[e]);
    }
    for (; i < depth; ++i)
      for (std::int64_t l = 0; l < kLanes; ++l)
        to[i * panels.element + l] = l < here ? first[l * lines.row + i * lines.column] : 0.0f;
  }
}

// Some rows of a, packed: element k of row r is a[r * row + k * step].
struct PackedRows {
  const float* a;
  std::int64_t row, step;
};

// Up to sixteen rows times a panel of b, whose rows are `vectors` vectors.
struct PanelProduct {
  PackedRows a;
  const float* b;
  std::int64_t vectors, depth;
  float* c;
  std::int64_t c_stride, last_columns;  // of the last vector
};

template <bool kAdd, int kRows, int kVectors>
inline void panel_product_tile(const PanelProduct& p, std::int64_t row) {
  const float *a = p.a.a + row * p.a.row, *b = p.b;
  float* const c = p.c + row * p.c_stride;
  const auto columns = [&](int v) { return v + 1 < kVectors ? kLanes : p.last_columns; };
  Floats acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      acc[r][v] = kAdd ? load_some(c + r * p.c_stride + v * kLanes, columns(v)) : splat(0.0f);
  // What the next rows' tile will add to.
  for (int r = 0; kAdd && r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      __builtin_prefetch(c + (kRows + r) * p.c_stride + v * kLanes, 1);
  for (std::int64_t k = 0; k < p.depth; ++k, a += p.a.step, b += kVectors * kLanes) {
    Floats lanes[kVectors];
    for (int v = 0; v < kVectors; ++v) lanes[v] = load(b + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Floats factor = splat(a[r * p.a.row]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = fma(factor, lanes[v], acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      store_some(c + r * p.c_stride + v * kLanes, acc[r][v], columns(v));
}

template <bool kAdd, int kRows, int kVectors>
inline void panel_product_tiles(const PanelProduct& p, std::int64_t row, std::int64_t end) {
  for (; row + kRows <= end; row += kRows) panel_product_tile<kAdd, kRows, kVectors>(p, row);
  if constexpr (kRows > 1) panel_product_tiles<kAdd, kRows / 2, kVectors>(p, row, end);
}

template <bool kAdd, int kVectors>
inline void panel_product(const PanelProduct& p, std::int64_t rows) {
  if (p.vectors == kVectors) {
    panel_product_tiles<kAdd, kAttentionRows, kVectors>(p, 0, rows);
  } else if constexpr (kVectors > 1) {
    panel_product<kAdd, kVectors - 1>(p, rows);
  }
}

// Of the vectors that are left, how many the next panel takes: a last panel of one is slow.
inline std::int64_t panel_vectors(std::int64_t left) {
  if (left <= kProductVectors) return left;
  return kProductVectors > 2 && left == kProductVectors + 1 ? kProductVectors - 1 : kProductVectors;
}

void multiply_block(const FloatProduct& product, float* scratch) {
  float* const packed = scratch;
  float* const b = packed + kProductRows * kCopyStride;
  const bool copied = product.a.column == 1;
  const FloatMatrix across = {product.b.data, product.b.column, product.b.row};
  for (std::int64_t k = 0; k < product.depth; k += kProductDepth) {
    const std::int64_t depth = at_most(kProductDepth, product.depth - k);
    if (copied) {
      for (std::int64_t row = 0; row < product.rows; ++row)
        std::memcpy(packed + row * kCopyStride, product.a.data + row * product.a.row + k,
                    static_cast<std::size_t>(depth) * sizeof(float));
    } else {
      pack_lines(product.a, product.rows, k, depth, {packed, kGroupStride, kLanes});
    }
    for (std::int64_t column = 0; column < product.columns;) {
      const std::int64_t left = product.columns - column;
      const std::int64_t vectors = panel_vectors((left + kLanes - 1) / kLanes);
      const FloatMatrix some = {across.data + column * across.row, across.row, across.column};
      pack_lines(some, at_most(vectors * kLanes, left), k, depth, {b, kLanes, vectors * kLanes});
      for (std::int64_t row = 0; row < product.rows; row += kLanes) {
        const PackedRows rows = copied
                                    ? PackedRows{packed + row * kCopyStride, kCopyStride, 1}
                                    : PackedRows{packed + row / kLanes * kGroupStride, 1, kLanes};
        const PanelProduct panel{.a = rows,
                                 .b = b,
                                 .vectors = vectors,
                                 .depth = depth,
                                 .c = product.c + row * product.c_stride + column,
                                 .c_stride = product.c_stride,
                                 .last_columns = at_most(kLanes, left - (vectors - 1) * kLanes)};
        const std::int64_t count = at_most(kLanes, product.rows - row);
        if (product.add || k > 0)
          panel_product<true, kProductVectors>(panel, count);
        else
          panel_product<false, kProductVectors>(panel, count);
      }
      column += vectors * kLanes;
    }
  }
}
