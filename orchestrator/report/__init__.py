"""The paper's tables beside ours, and figures: made from what runs recorded (paper, sections IV.C and V)."""
