"""What only a GPU needs: CUDA kernels, cuBLAS, a training step as one CUDA graph. A learner can skip this folder."""
